/**
 * Builds dist/. The programs are bundled into one file each, since a daemon that reads one file starts in half the
 * time of one that reads nine hundred; native packages, large tables of which little is used, and what is loaded only
 * when it is needed stay outside. Takes about 0.2 s, so a start can
 * always build first and a pulled or edited source is never run stale. Nothing is written to stdout: that is the
 * daemon's. With `--types`, declarations of the client as well, where there is a compiler.
 */
import './require-node.mjs';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { buildConsole } from './build-console.mjs';
import { buildDocs } from './build-docs.mjs';

const COMPILER = 'node_modules/typescript/bin/tsc';
const STDERR = 2;

/** prom-client asks it which trace its own gauges of the process belong to, which the daemon does not use. */
const withoutTraces = {
  name: 'without-traces',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^@opentelemetry\/api$/ }, () => ({ path: 'nothing', namespace: 'left-out' }));
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};' }));
  },
};

await build({
  entryPoints: [
    { in: 'server/main.ts', out: 'server/daemon' },
    { in: 'server/reap-orphans.ts', out: 'server/reap-orphans' },
    { in: 'services/claude/transcript/transcript-worker.ts', out: 'server/transcript-worker' },
    { in: 'services/record/files/checkpoint-worker.ts', out: 'server/checkpoint-worker' },
    { in: 'services/record/search/search-worker.ts', out: 'server/search-worker' },
    { in: 'services/push/sending/sender-worker.ts', out: 'server/sender-worker' },
    { in: 'services/workspace/snapshot/snapshot-worker.ts', out: 'server/snapshot-worker' },
    { in: 'cli/main.ts', out: 'cli/companion' },
    { in: 'client/index.ts', out: 'client/index' },
  ].filter((entry) => existsSync(entry.in)),
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: [
    'better-sqlite3',
    '@anthropic-ai/claude-agent-sdk',
    '@modelcontextprotocol/sdk',
    'iconv-lite',
    'mime-db',
    '@parse/node-apn',
    'web-push',
    '@node-rs/argon2',
    '@opentelemetry/sdk-node',
    'qrcode',
  ],
  plugins: [withoutTraces],
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 160,
  logLevel: 'warning',
});
// For browsers as well, and left readable: what is not used of it is dropped by whoever bundles it.
await build({
  entryPoints: [
    { in: 'client/rest/index.ts', out: 'rest/index' },
    { in: 'client/browser.ts', out: 'browser' },
  ],
  outdir: 'dist/client',
  bundle: true,
  platform: 'neutral',
  target: 'es2022',
  format: 'esm',
  logLevel: 'warning',
});
buildDocs('dist/docs');
await buildConsole();
// An old Node fails to load the programs themselves before a line of them runs: what is started looks at it first.
const requireNode = readFileSync('scripts/require-node.mjs', 'utf8');
for (const [folder, program] of [
  ['server', 'daemon'],
  ['cli', 'companion'],
]) {
  if (!existsSync(`dist/${folder}/${program}.js`)) continue;
  writeFileSync(`dist/${folder}/main.js`, `#!/usr/bin/env node\n${requireNode}\nimport('./${program}.js');\n`);
}
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755);

if (process.argv.includes('--types') && existsSync(COMPILER)) {
  const { status } = spawnSync(process.execPath, [COMPILER, '-p', 'tsconfig.build.json'], {
    stdio: ['ignore', STDERR, STDERR],
  });
  process.exitCode = status ?? 1;
}
