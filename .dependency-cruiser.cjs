/**
 * The layers as rules: arrows point down only. Types count as much as values: the swc parser sees every import
 * declaration alike. (It does not see `import('x').T` inside a type; oxlint's consistent-type-imports forbids those.)
 */

/** Matches a package whether or not it is installed. */
const npm = (name) => `(^|node_modules/)(@types/)?${name}(/|$)`;
const ANY_NPM = 'node_modules/';
const PRODUCTION = '^(protocol|disk|config|services|routes|server|client|cli|demo)/';

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/**
 * The layer may import itself and what is listed; Node's own modules too, unless `builtins` is false.
 * What leads nowhere ('unknown') is left to no-unresolvable.
 */
const layer = (folder, allowed, { builtins = true } = {}) =>
  forbid(
    `layer-${folder.replaceAll('/', '-')}`,
    `${folder}/ imports something that is not below it`,
    { path: `^${folder}/` },
    { pathNot: [`^${folder}/`, ...allowed], dependencyTypesNot: builtins ? ['core', 'unknown'] : ['unknown'] },
  );

/** The package's only importers; a file or a folder. */
const importersOf = (name, ...importers) =>
  forbid(
    `importers-of-${name.replace(/^@/, '').replaceAll('/', '-')}`,
    `only ${importers.join(', ')} may import ${name}, types included`,
    { pathNot: importers.map((importer) => `^${importer.replaceAll('.', '\\.')}${importer.endsWith('/') ? '' : '$'}`) },
    { path: npm(name) },
  );

module.exports = {
  forbidden: [
    layer('protocol', [npm('zod')], { builtins: false }),
    layer('disk', []),
    layer('config', [
      '^protocol/',
      '^disk/',
      '^package\\.json$',
      npm('zod'),
      npm('winston'),
      npm('winston-daily-rotate-file'),
    ]),
    layer('services', ['^protocol/', '^disk/', ANY_NPM]),
    layer('services/ports', ['^protocol/']),
    layer('services/model', ['^services/ports/', '^protocol/', npm('nanoid')], { builtins: false }),
    layer('services/commands', ['^services/(ports|model|sessions)/', '^protocol/']),
    layer('routes', ['^services/', '^protocol/', ANY_NPM]),
    layer('client', ['^protocol/', npm('ws'), npm('eventsource-parser')]),
    layer('cli', ['^client/', '^protocol/', '^config/', ANY_NPM]),
    layer('demo', []),
    layer(
      'web',
      [
        '^client/',
        '^protocol/',
        npm('react'),
        npm('wouter'),
        npm('idb-keyval'),
        npm('zod'),
        npm('eventsource-parser'),
        npm('marked'),
        npm('highlight.js'),
        npm('lowlight'),
      ],
      { builtins: false },
    ),
    forbid(
      'layer-server',
      'server/ composes the daemon; the command line is above it',
      { path: '^server/' },
      { path: '^cli/' },
    ),
    forbid(
      'services-siblings',
      'services meet through interfaces (services/ports/) that server/ passes in, and share values (services/model/)',
      { path: '^services/(?!commands/)([^/]+)/' },
      { path: '^services/', pathNot: '^services/($1|ports|model)/' },
    ),
    forbid('services-root', 'every service has a folder of its own', { path: '^services/[^/]+$' }, {}),
    forbid(
      'tests-are-not-imported',
      'nothing but tests and benchmarks imports tests/ or bench/',
      { pathNot: '^(tests|bench)/' },
      { path: '^(tests|bench)/' },
    ),

    importersOf('express', 'routes/', 'server/', 'tests/', 'bench/'),
    importersOf('ws', 'routes/', 'server/', 'client/', 'tests/', 'bench/'),
    importersOf('@anthropic-ai/claude-agent-sdk', 'services/claude/'),
    importersOf('@modelcontextprotocol/sdk', 'routes/mcp/', 'tests/'),
    importersOf('better-sqlite3', 'services/record/sqlite/sqlite-database.ts'),
    importersOf('jose', 'services/identity/', 'tests/', 'bench/'),
    importersOf('@node-rs/argon2', 'services/identity/passwords.ts', 'tests/support/cheap-argon2.cjs'),
    importersOf('rate-limiter-flexible', 'routes/access/rate-limits.ts'),
    importersOf('qrcode', 'server/assembly/create-access.ts'),
    importersOf('lowdb', 'services/identity/registry-file.ts'),
    importersOf('node-pty', 'services/claude/pty-terminal.ts'),
    importersOf('@parse/node-apn', 'services/push/apns/', 'bench/'),
    importersOf('prom-client', 'services/telemetry/'),
    importersOf('@opentelemetry/sdk-node', 'services/telemetry/tracing/open-tracing.ts'),
    importersOf('minizlib', 'routes/ws/compressed-sink.ts'),
    importersOf('web-push', 'services/push/web/web-push-sender.ts'),

    forbid('no-cycles', 'modules that need each other are one module, or hide a third', {}, { circular: true }),
    forbid(
      'no-orphans',
      'nothing imports it and it imports nothing',
      {
        orphan: true,
        pathNot: ['(^|/)\\.[^/]+\\.cjs$', '\\.config\\.c?js$', '^scripts/', '^(tests|bench)/.*\\.cjs$', '\\.d\\.ts$'],
      },
      {},
    ),
    forbid('no-unresolvable', 'the import leads nowhere', {}, { couldNotResolve: true }),
    forbid(
      'no-undeclared-packages',
      'the package is not in package.json',
      {},
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    forbid(
      'no-dev-packages-in-production',
      'it would be missing after `npm ci --omit=dev`',
      { path: PRODUCTION },
      { dependencyTypes: ['npm-dev'] },
    ),
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    // The parser does not know JSX: biome's noRestrictedImports holds the layer of those files.
    exclude: { path: '^(dist|coverage)/|\\.tsx$' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
