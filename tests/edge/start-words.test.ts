/** What a start says to a person: what will not work, who is in the way, and that a Node is too old. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { type DaemonFolders, environmentIn, MAIN, makeFolders } from '../support/daemon.js';
import { type DaemonRun, endRun, runDaemon } from '../support/run-daemon.js';
import { waitUntil } from '../support/wait-until.js';

const runs: [DaemonRun, DaemonFolders][] = [];
afterEach(async () => {
  for (const [run, folders] of runs.splice(0)) await endRun(run, folders);
});

function start(settings: Record<string, string> = {}, args: string[] = []) {
  const folders = makeFolders();
  const environment = { ...environmentIn(folders, 'http://127.0.0.1:9'), ...settings };
  const run = runDaemon({ environment, arguments: args });
  runs.push([run, folders]);
  return { run, folders };
}

/** The daemon has looked at everything: its log has the `ready` line, and it has asked the CLI for its login. */
const said = (run: DaemonRun, words: string) => waitUntil(`${words} is said`, () => run.stderr().includes(words));

describe('what will not work is said once at the start, beside the one line of stdout', () => {
  const times = (text: string, words: string) => text.split(words).length - 1;

  test('a wrong CLAUDE_PATH and a root that is not there', async () => {
    const { run } = start({ CLAUDE_PATH: '/nowhere/claude', PROJECT_ROOTS: '/nowhere/work:/tmp' });
    expect(await run.ready).toMatch(/^http/);
    await said(run, 'PROJECT_ROOTS names');
    const problem = 'CLAUDE_PATH is /nowhere/claude, which is not an executable file. Set CLAUDE_PATH to';
    expect(times(run.stderr(), problem)).toBe(1);
    expect(run.stderr()).toContain(
      'PROJECT_ROOTS names a folder that does not exist or cannot be opened: /nowhere/work. Create it, or',
    );
    expect(run.stdout).toHaveLength(1);
  });

  test('a CLI without a login', async () => {
    const { run } = start({ ANTHROPIC_API_KEY: '' });
    await said(run, 'The Claude CLI is not logged in. Run `claude` in a terminal');
    expect(run.stdout).toHaveLength(1);
  });
});

describe('a port that is in use', () => {
  test('by another companion: says which, and what stops it', async () => {
    const first = start();
    const { port } = new URL((await first.run.ready) ?? '');
    const { run } = start({ PORT: port });
    expect(await run.exited).toBe(1);
    const { home } = first.folders;
    expect(run.stderr()).toMatch(
      new RegExp(
        `127\\.0\\.0\\.1:${port} is in use by another Claude Companion \\(pid \\d+\\), which serves ${home}\\.`,
      ),
    );
    expect(run.stderr()).toContain(`or stop the other one: COMPANION_HOME=${home} npm run companion -- stop.`);
  });

  test('by something else: says what', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { run } = start({ PORT: String((server.address() as AddressInfo).port) });
      expect(await run.exited).toBe(1);
      expect(run.stderr()).toContain(`is in use by the process ${process.pid}: `);
      expect(run.stderr()).toContain('Set PORT to another port.');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

test('the command that pairs names the home of the daemon', async () => {
  const { run, folders } = start({ AUTH_TOKEN: '' });
  await run.ready;
  expect(run.stderr()).toContain(`To pair one: COMPANION_HOME=${folders.home} npm run companion -- pair\n`);
});

describe('a Node that is too old', () => {
  const ROOT = join(import.meta.dirname, '../..');
  const folder = mkdtempSync(join(tmpdir(), 'old-node-'));
  const preload = join(folder, 'old-node.cjs');
  writeFileSync(preload, `Object.defineProperty(process.versions, 'node', { value: '18.20.8' });`);

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['the daemon', MAIN, ['--version']],
    ['the terminal program', join(ROOT, 'dist/cli/main.js'), ['status']],
    ['the build', join(ROOT, 'scripts/build.mjs'), []],
  ])('is told so by %s', (_what, file, args) => {
    const { status, stderr } = spawnSync(process.execPath, ['-r', preload, file, ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toBe(
      'Claude Companion needs Node 20.19 or newer within 20, or 22.2 or newer. This is Node 18.20.8.\n' +
        'Install a supported version, such as 24, and run `npm ci` with it.\n',
    );
    expect(status).toBe(1);
  });
});
