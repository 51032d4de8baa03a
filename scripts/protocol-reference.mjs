/**
 * Renews the generated blocks of the documents, `openapi.json` and `asyncapi.json` from the schemas and the command
 * table: `npm run protocol`. With `--check` it only says what is stale. Bundled first, since Node 20 does not read
 * TypeScript.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const cache = join(import.meta.dirname, '../node_modules/.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'companion-protocol-'));
try {
  const outfile = join(folder, 'main.mjs');
  const entryPoints = [join(import.meta.dirname, 'protocol-reference/main.ts')];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'warning' });
  const { run } = await import(pathToFileURL(outfile).href);
  process.exitCode = run(process.argv.slice(2));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
