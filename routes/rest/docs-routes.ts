import { type RequestHandler, Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { RouteServices } from '../route-services.js';

/** Only what is served here: no scripts, forms or other addresses. */
const POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The pages below `/docs`, and their style. */
const PAGES: Readonly<Record<string, string>> = {
  frames: 'frames.html',
  events: 'events.html',
  rest: 'rest.html',
  'style.css': 'style.css',
};

/** `/docs`, `/openapi.json` and `/asyncapi.json`: the documents of the protocol, the same for everyone. */
export function createDocsRoutes({ docsFolder }: Pick<RouteServices, 'docsFolder'>): Router {
  const router = Router();
  const send =
    (fileOf: (name: string) => string | undefined): RequestHandler<{ name?: string }> =>
    (request, response, next) => {
      const file = fileOf(request.params.name ?? '');
      if (file === undefined) throw new CompanionError('NOT_FOUND', 'There is no such document.');
      response.set({ 'Content-Security-Policy': POLICY, 'Referrer-Policy': 'no-referrer' });
      const options = { root: docsFolder, cacheControl: false };
      response.sendFile(file, options, (error) => {
        // A client that has left gets none.
        if (error && !response.headersSent && !response.destroyed) next(notInstalled());
      });
    };
  router.get(
    '/docs',
    send(() => 'index.html'),
  );
  router.get(
    '/docs/:name',
    send((name) => (Object.hasOwn(PAGES, name) ? PAGES[name] : undefined)),
  );
  for (const name of ['openapi.json', 'asyncapi.json'])
    router.get(
      `/${name}`,
      send(() => name),
    );
  return router;
}

const notInstalled = () => new CompanionError('NOT_FOUND', 'The document is missing: build the daemon again.');
