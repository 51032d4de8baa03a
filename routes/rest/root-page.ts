import { createHash } from 'node:crypto';
import { Router } from 'express';
import { countStranger } from '../http/stranger-limits.js';
import type { RouteServices } from '../route-services.js';

const STYLE = `
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff }
code { background: #eee; padding: 0.1rem 0.3rem; border-radius: 0.2rem }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } code { background: #2c2c2c } }
`;

/** No scripts, forms or other addresses, and only this style. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const page = (body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Claude Companion</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Claude Companion</h1>
${body}</body>
</html>
`;

/** The same for all clients: it reveals nothing about this machine, its people or its sessions. */
const WELCOME =
  page(`<p>This daemon runs Claude sessions on its machine, and lets paired devices follow and steer them. You have reached it.</p>
<h2>What to do next</h2>
<ul>
<li>To pair a phone, run <code>npm run companion -- pair</code> on the machine, and scan the code with the app.</li>
<li>To use it from a terminal on the machine, run <code>npm run companion -- ask "a question"</code>.</li>
<li>To see whether all is well, run <code>npm run companion -- doctor</code>.</li>
<li>To write a client, read <code>PROTOCOL.md</code> in the folder of the daemon: WebSockets are at <code>/ws</code>, REST is below <code>/api</code>.</li>
</ul>
`);

/** The name is not repeated: another site may have chosen it. */
const REFUSAL =
  page(`<p><code>PERMISSION_DENIED</code>: this daemon does not answer to the name in the address of this page.</p>
<h2>What to do next</h2>
<ul>
<li>To open it by this name, set <code>ALLOWED_HOSTS</code> or <code>PUBLIC_URL</code> on its machine, and start it again.</li>
<li>If you did not expect to come here, close this page: another site may have led your browser here.</li>
</ul>
`);

/** A browser that opens the address gets a page; every other client gets the usual answer. */
export function createRootPage(services: RouteServices): Router {
  const router = Router();
  router.get('/', async (request, response, next) => {
    if (!namesHtml(request.headers.accept)) return next();
    await countStranger(services, request);
    response.set({ 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' });
    const isOurs = services.hostPolicy.allows(request);
    response.status(isOurs ? 200 : 403);
    if (isOurs && services.consoleFiles.isBuilt) services.consoleFiles.sendPage(response);
    else response.type('html').send(isOurs ? WELCOME : REFUSAL);
  });
  return router;
}

/** Browsers name it. A client that accepts anything shows no page. */
const namesHtml = (accept = ''): boolean => /(^|[\s,])text\/html\s*($|[,;])/i.test(accept);
