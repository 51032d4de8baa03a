/** Nothing in a home is changed before its lock is held, and a start that is cut short anywhere is made good by the next. */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openBare } from '../support/bare-client.js';
import { NO_API } from '../support/brief-daemon.js';
import { type DaemonFolders, environmentIn, makeFolders, TOKEN } from '../support/daemon.js';
import { type DaemonRun, endRun, runDaemon } from '../support/run-daemon.js';
import { waitUntil } from '../support/wait-until.js';

const PRELOAD = join(import.meta.dirname, '../support/kill-writes.mjs');

/** What the serving daemon, and the CLI that it asks for version and login, write after it is ready. */
const ALIVE = /^(logs|journal\.|claude)/;

/** All that lies in a home, with its mode, number and contents. */
function stateOf(home: string): Record<string, string> {
  const names = readdirSync(home, { recursive: true })
    .map(String)
    .filter((name) => !ALIVE.test(name));
  return Object.fromEntries(
    names.map((name) => {
      const path = join(home, name);
      const stats = lstatSync(path);
      const content = stats.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
      return [name, `${stats.mode.toString(8)} ${stats.ino} ${stats.mtimeMs} ${content}`];
    }),
  );
}

const KINDS = [
  ['a daemon', []],
  ['a demo', ['--demo']],
] as const;

const start = (folders: DaemonFolders, args: readonly string[], more: Record<string, string> = {}): DaemonRun =>
  runDaemon({ environment: { ...environmentIn(folders, NO_API), ...more }, arguments: [...args] });

/** The real CLI answers by the script of the demo. */
async function expectTurn(url: string): Promise<void> {
  const client = await openBare({ url }, TOKEN);
  client.send('subscribe', { events: ['*'] });
  const answer = await client.answerTo(client.send('streamStart', { prompt: 'Hello!' }));
  expect(answer.type).toBe('streamStarted');
  await waitUntil('the turn ends', () => client.count('streamComplete') === 1);
  const end = client.frames.find(({ type }) => type === 'streamComplete');
  expect(end?.data).toMatchObject({ isError: false });
  client.socket.terminate();
}

describe('a second start on a home in use', () => {
  test.each(KINDS.flatMap(([first, args]) => KINDS.map(([second, more]) => ({ first, args, second, more }))))(
    'O1: $second beside $first says who serves, ends with 1 and changes nothing',
    async ({ args, more }) => {
      const folders = makeFolders();
      const served = start(folders, args);
      try {
        const url = await served.ready;
        if (url === undefined) throw new Error(served.stderr());
        // A mode that a start would mend.
        chmodSync(join(folders.home, 'keys.json'), 0o640);
        const before = stateOf(folders.home);
        const { pid } = JSON.parse(served.stdout.at(-1) ?? '') as { pid: number };
        const second = start(folders, more);
        expect(await second.exited).toBe(1);
        expect(second.stderr()).toContain(`Another daemon already serves ${folders.home} (pid ${pid})`);
        expect(second.stdout).toEqual([]);
        expect(stateOf(folders.home)).toEqual(before);
        if (args.length > 0) await expectTurn(url);
      } finally {
        await endRun(served, folders);
      }
    },
  );
});

/** A first start makes about 25 changes. The last of these comes with the ready line. */
const CHANGES = [1, 4, 8, 12, 17, 23];

describe('a start that is killed behind one of its changes', () => {
  const points = KINDS.flatMap(([kind, args]) => CHANGES.map((writes) => ({ kind, args, writes })));
  test.each(points)('D1: change $writes of $kind leaves a home in which the next serves', async ({ args, writes }) => {
    const folders = makeFolders();
    const dying = { NODE_OPTIONS: `--import=${PRELOAD}`, KILL_AFTER_WRITES: String(writes) };
    const killed = start(folders, args, dying);
    expect(await killed.exited).toBe(null);
    expect(killed.stderr()).toBe('');
    const next = start(folders, args);
    try {
      expect(await next.ready).toBeDefined();
      expect(next.stderr()).toBe('');
      expect(readdirSync(folders.home).filter((name) => name.includes('.new'))).toEqual([]);
    } finally {
      await endRun(next, folders);
    }
  });
});

describe('a home with what a dead writer has left', () => {
  test('loses the drafts and nothing else', async () => {
    const folders = makeFolders();
    mkdirSync(folders.home, { mode: 0o700 });
    const drafts = ['registry.json.4711.new', 'keys.json.1.new', 'vapid.json.12.new', 'orphan-watch.new'];
    for (const name of [...drafts, 'notes.new', 'registry.json.bak']) writeFileSync(join(folders.home, name), '{');
    const run = start(folders, []);
    try {
      expect(await run.ready).toBeDefined();
      const left = readdirSync(folders.home);
      expect(left).toEqual(expect.arrayContaining(['notes.new', 'registry.json.bak']));
      for (const name of drafts) expect(left).not.toContain(name);
    } finally {
      await endRun(run, folders);
    }
  });
});
