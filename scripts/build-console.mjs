/**
 * Builds the console into dist/console, compressed as well, unless the last build was of the same sources. Does nothing
 * where Vite is not installed: a published package contains the built console.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const SOURCES = ['web', 'client', 'protocol', 'vite.config.js', 'package-lock.json'];
const OUT = 'dist/console';
const STAMP = `${OUT}/.sources`;
/** Smaller files gain nothing. */
const MIN_BYTES = 256;
const IS_COMPRESSIBLE = /\.(html|js|css|svg|json|webmanifest)$/;

export async function buildConsole() {
  if (!existsSync('node_modules/vite') || !existsSync('web')) return;
  const sources = digest(SOURCES);
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sources) return;
  try {
    const [{ build }, { worker }] = await Promise.all([import('vite'), import('../vite.config.js')]);
    await build();
    await build(worker);
  } catch (error) {
    // Vite needs a newer Node than the daemon does.
    console.error(`The console cannot be built, and the daemon serves without it: ${error.message}`);
    return;
  }
  for (const file of filesIn(OUT)) compress(file);
  writeFileSync(STAMP, sources);
}

const filesIn = (path) =>
  statSync(path).isFile()
    ? [path]
    : readdirSync(path, { recursive: true, encoding: 'utf8' })
        .map((name) => join(path, name))
        .filter((file) => statSync(file).isFile())
        .sort();

/** Of names and contents: a checkout changes the times of files. */
function digest(paths) {
  const hash = createHash('sha256');
  for (const file of paths.filter((path) => existsSync(path)).flatMap(filesIn))
    hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function compress(file) {
  const bytes = readFileSync(file);
  if (!IS_COMPRESSIBLE.test(file) || bytes.length < MIN_BYTES) return;
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
}
