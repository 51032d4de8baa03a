/**
 * Runs a short list of tests with each supported Node and Claude CLI, all from the npm registry:
 * `npm run matrix -- [--node=20,26] [--cli=2.1.197]`. Each Node gets a copy of the committed files with dependencies of
 * its own, since native ones are built for one version. Prints a line for each pair, and fails when one of them does.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const NODES = ['20', '22', '24', '26'];
const CLIS = ['2.1.197', '2.1.329', 'latest'];
/** A turn, a question, a prompt of each kind, an adopted child, settings of a live child, the journal. */
const TESTS = [
  'tests/wire/conversation',
  'tests/wire/questions',
  'tests/wire/prompts',
  'tests/wire/adoption',
  'tests/wire/live-settings',
  'tests/record',
];
const PLATFORM = `${process.platform}-${process.arch}`;

const npm = process.env.npm_execpath;
if (!npm) {
  console.error('Run it with npm: npm run matrix');
  process.exit(2);
}

const asked = (name, all) => {
  const given = process.argv.find((word) => word.startsWith(`--${name}=`));
  return given ? given.slice(name.length + 3).split(',') : all;
};

const scratch = mkdtempSync(join(tmpdir(), 'companion-matrix-'));
try {
  const clis = asked('cli', CLIS).map((version) => [version, installCli(version)]);
  const results = asked('node', NODES).flatMap((major) => runNode(major, clis));
  for (const { name, ok } of results) console.log(`${ok ? 'passed' : 'FAILED'}  ${name}`);
  process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Returns the path of a package's folder. */
function install(name, version) {
  const folder = join(scratch, `${name.replace(/\W/g, '-')}-${version}`);
  mkdirSync(folder);
  const flags = ['--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  execFileSync(process.execPath, [npm, 'install', ...flags, `${name}@${version}`], { stdio: ['ignore', 2, 2] });
  return join(folder, 'node_modules', name);
}

function installCli(version) {
  return join(install(`@anthropic-ai/claude-code-${PLATFORM}`, version), 'claude');
}

function runNode(major, clis) {
  const node = install(`node-${PLATFORM}`, major);
  const binary = join(node, 'bin/node');
  const version = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim();
  const copy = copyTo(join(scratch, `node-${major}`));
  // Native packages that bring no binary for this version are built with the headers that came with it.
  const env = { ...process.env, npm_config_nodedir: node, PATH: `${dirname(binary)}${delimiter}${process.env.PATH}` };
  const run = (args, more = {}) =>
    spawnSync(binary, args, { cwd: copy, env: { ...env, ...more }, stdio: ['ignore', 2, 2] }).status === 0;
  const isInstalled = run([npm, 'ci', '--no-audit', '--no-fund']) && run(['scripts/build.mjs']);
  const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--ci', ...TESTS];
  return clis.map(([cli, path]) => ({
    name: `Node ${version} with CLI ${cli}`,
    ok: isInstalled && run(jest, { TEST_CLAUDE_PATH: path }),
  }));
}

function copyTo(folder) {
  mkdirSync(folder);
  const archive = execFileSync('git', ['archive', 'HEAD'], { maxBuffer: 2 ** 30 });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  return folder;
}
