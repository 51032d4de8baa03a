/**
 * Bundles the benchmarks into a folder that goes afterwards and runs them there, since Node 20 does not read TypeScript:
 * `npm run bench -- [--quick] [--out=<folder>] [name…]`. `import.meta` keeps its meaning of each source file.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const keepImportMeta = {
  name: 'keep-import-meta',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8')
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
    }));
  },
};

// Below node_modules, so that native packages are found from there.
const cache = join(import.meta.dirname, '../node_modules/.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'companion-bench-'));
const bundle = join(folder, 'bench.mjs');
await build({
  entryPoints: [join(import.meta.dirname, 'main.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: ['better-sqlite3', '@node-rs/argon2', 'playwright-core'],
  plugins: [keepImportMeta],
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  logLevel: 'warning',
});
const bench = spawn(process.execPath, [bundle, ...process.argv.slice(2)], { stdio: 'inherit' });
// A terminal sends Ctrl-C to both: the bench cleans up, and this process goes after it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => bench.kill('SIGTERM'));
bench.on('exit', (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
