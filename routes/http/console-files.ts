import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RequestHandler, type Response, Router } from 'express';
import { contentType } from 'mime-types';

/**
 * Nothing but what the daemon serves, and no sink that makes scripts of texts. Styles of elements are set by scripts,
 * which the policy allows.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  // Only for the address of its service worker.
  'trusted-types companion',
].join('; ');

const ENCODINGS = { br: '.br', gzip: '.gz' } as const;
type Encoding = keyof typeof ENCODINGS;

interface ConsoleFile {
  type: string;
  etag: string;
  bodies: { identity: Buffer } & { [E in Encoding]?: Buffer };
}

/** The console as it was built: all of it in memory, about 1 MiB, since an upgrade replaces the files under the daemon. */
export class ConsoleFiles {
  readonly #files: ReadonlyMap<string, ConsoleFile>;

  /** `folder`: what the build has made. Without it there is no console. */
  constructor(folder: string) {
    this.#files = existsSync(folder) ? readAll(folder) : new Map();
  }

  get isBuilt(): boolean {
    return this.#files.has('/index.html');
  }

  /** The page itself. */
  sendPage(response: Response): void {
    response.set({ 'Content-Security-Policy': POLICY, 'Referrer-Policy': 'no-referrer' });
    this.#send('/index.html', response);
  }

  /** Everything that the page loads. */
  routes(): Router {
    const router = Router();
    const handle: RequestHandler = (request, response, next) => {
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      if (isRead && request.path !== '/index.html' && this.#files.has(request.path)) this.#send(request.path, response);
      else next();
    };
    router.use(handle);
    return router;
  }

  #send(path: string, response: Response): void {
    const file = this.#files.get(path);
    if (!file) return;
    const { bodies, type, etag } = file;
    const offered = (Object.keys(bodies) as (keyof typeof bodies)[]).filter((encoding) => encoding !== 'identity');
    const encoding = response.req.acceptsEncodings(...offered, 'identity') || 'identity';
    const body = bodies[encoding as Encoding] ?? bodies.identity;
    response.set({
      'Content-Type': type,
      ETag: `"${etag}-${encoding}"`,
      Vary: 'Accept-Encoding',
      'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    if (body !== bodies.identity) response.set('Content-Encoding', encoding);
    response.send(body);
  }
}

/** By the path in an address. */
function readAll(folder: string): Map<string, ConsoleFile> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ parentPath, name }) => join(parentPath, name));
  const extras = Object.values(ENCODINGS);
  const plain = names.filter((name) => !extras.some((extra) => name.endsWith(extra)));
  return new Map(plain.map((name) => [name.slice(folder.length).replaceAll('\\', '/'), read(name)]));
}

function read(name: string): ConsoleFile {
  const identity = readFileSync(name);
  const encoded = Object.entries(ENCODINGS).flatMap(([encoding, extra]) =>
    existsSync(name + extra) ? [[encoding, readFileSync(name + extra)] as const] : [],
  );
  const file = name.slice(name.lastIndexOf('/') + 1);
  return {
    type: contentType(file) || 'application/octet-stream',
    etag: createHash('sha256').update(identity).digest('base64url').slice(0, 22),
    bodies: { identity, ...Object.fromEntries(encoded) },
  };
}
