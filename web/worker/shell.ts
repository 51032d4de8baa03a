/** The page and what it loads, kept for when the daemon cannot be reached. */

const CACHE = 'shell';
const PAGE = '/';
/** The page of a daemon that is slower than this comes from the cache. */
const PATIENCE_MS = 3000;

/** Keeps the newest page with everything that it names. */
export async function keepShell(): Promise<void> {
  const response = await fetch(PAGE, { headers: { accept: 'text/html' }, cache: 'no-cache' });
  if (response.ok) await keepPage(response);
}

/** Undefined for what is none of the shell. */
export function answerFromShell(request: Request): Promise<Response> | undefined {
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return undefined;
  if (request.mode === 'navigate') return url.pathname === PAGE ? page(request) : undefined;
  return url.pathname.startsWith('/assets/') || url.pathname.startsWith('/icon') ? asset(request) : undefined;
}

/** The daemon's page, which can be a new one; the kept one while it does not answer. */
async function page(request: Request): Promise<Response> {
  const kept = await (await caches.open(CACHE)).match(PAGE);
  try {
    const signal = kept ? AbortSignal.timeout(PATIENCE_MS) : null;
    const response = await fetch(request, { signal });
    // A proxy in front of a daemon that is away has a page of its own.
    if (!response.ok && response.status >= 500 && kept) return kept;
    if (response.ok) await keepPage(response.clone());
    return response;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

/** Its name tells its content: what is kept is right. */
async function asset(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

async function keepPage(response: Response): Promise<void> {
  const cache = await caches.open(CACHE);
  const html = await response.clone().text();
  const before = await (await cache.match(PAGE))?.text();
  if (before === html) return;
  const named = [...html.matchAll(/"(\/(?:assets\/|icon)[^"]+)"/g)].flatMap(([, path]) => path ?? []);
  await cache.addAll(named);
  const parts = await addParts(cache, named);
  await cache.put(PAGE, response);
  await forgetOthers(cache, [...named, ...parts]);
}

/** What is behind it is kept once it was used: the languages of code. */
const USED_ONLY = /\/colours-/;

/** What the scripts of the page load later: without the daemon, or with another one, it could not be loaded any more. */
async function addParts(cache: Cache, named: readonly string[]): Promise<string[]> {
  const added = new Set<string>();
  let scripts = named.filter((path) => path.endsWith('.js'));
  while (scripts.length > 0) {
    const read = scripts.filter((path) => !USED_ONLY.test(path));
    const texts = await Promise.all(read.map(async (path) => (await cache.match(path))?.text() ?? ''));
    const parts = texts.flatMap(partsIn).filter((path) => !named.includes(path) && !added.has(path));
    const fresh = [...new Set(parts)];
    await cache.addAll(fresh);
    for (const path of fresh) added.add(path);
    scripts = fresh.filter((path) => path.endsWith('.js'));
  }
  return [...added];
}

/** In the folder of the script, or from the root on. */
const partsIn = (text: string): string[] =>
  [...text.matchAll(/(?:assets|\.)\/([\w-]+\.(?:js|css))/g)].map(([, name]) => `/assets/${name}`);

/** Of an older page. */
async function forgetOthers(cache: Cache, named: readonly string[]): Promise<void> {
  const wanted = new Set([PAGE, ...named]);
  for (const { url } of await cache.keys()) if (!wanted.has(new URL(url).pathname)) await cache.delete(url);
}
