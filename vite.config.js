import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/** The service worker of the console: one script, since older browsers let a worker import none. */
export const worker = defineConfig({
  configFile: false,
  root: 'web',
  publicDir: false,
  define: { CONSOLE_VERSION: JSON.stringify(version) },
  build: {
    outDir: '../dist/console',
    emptyOutDir: false,
    target: 'es2023',
    reportCompressedSize: false,
    rolldownOptions: {
      input: { sw: 'web/worker/service-worker.ts' },
      // The address of a service worker is its identity.
      output: { format: 'iife', entryFileNames: 'sw.js' },
    },
  },
  logLevel: 'warn',
});

/** The console: see `scripts/build-console.mjs`. */
export default defineConfig({
  root: 'web',
  define: { CONSOLE_VERSION: JSON.stringify(version) },
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    target: 'es2023',
    // A polyfill would be a script of its own in the page, which the policy forbids.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // A test holds what a phone loads at the start to 180 KiB, compressed.
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      output: {
        // What has schemas waits for this script, in which zod is told first not to compile code: see without-eval.ts.
        codeSplitting: { groups: [{ name: 'zod', test: /node_modules\/zod\/|web\/without-eval/ }] },
      },
    },
  },
  oxc: { jsx: { runtime: 'automatic' } },
  logLevel: 'warn',
});
