/** Nothing in a home is changed before its lock is held, and a start that is cut short anywhere is made good by the next. */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openBare } from '../support/bare-client.js';
import { NO_API } from '../support/brief-daemon.js';
import { cutOf } from '../support/counts.js';
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
  test.each(KINDS)('O1: beside %s says who serves, ends with 1 and changes nothing', async (_first, args) => {
    const folders = makeFolders();
    const { home } = folders;
    const first = start(folders, args);
    try {
      const url = await first.ready;
      if (url === undefined) throw new Error(first.stderr());
      const { pid } = JSON.parse(first.stdout.at(-1) ?? '') as { pid: number };
      for (const [kind, more] of KINDS) {
        // A mode that a start would mend.
        chmodSync(join(home, 'keys.json'), 0o640);
        const before = stateOf(home);
        const second = start(folders, more);
        expect([kind, await second.exited]).toEqual([kind, 1]);
        expect(second.stderr()).toContain(`Another daemon already serves ${home} (pid ${pid})`);
        expect(second.stderr()).toContain('To stop it: COMPANION_HOME=');
        expect(second.stdout).toEqual([]);
        expect(stateOf(home)).toEqual(before);
        expect((await fetch(`${url}/live`)).status).toBe(200);
      }
      if (args.length > 0) await expectTurn(url);
    } finally {
      await endRun(first, folders);
    }
  });
});

/** A first start makes about 25 changes. The last of these comes with the ready line. */
const CHANGES = [1, 4, 8, 12, 17, 23];
/** The fast cut takes each change once, by one kind of start and the other in turn. */
const POINTS = CHANGES.flatMap((writes, index) => {
  const points = KINDS.map(([kind, args]) => ({ kind, args, writes }));
  return index % 2 === 0 ? points : points.reverse();
});

describe('a start that is killed behind one of its changes', () => {
  test.each(cutOf(POINTS, KINDS.length))(
    'D1: change $writes of $kind leaves a home in which the next serves',
    async ({ args, writes }) => {
      const folders = makeFolders();
      const dying = { NODE_OPTIONS: `--import=${PRELOAD}`, KILL_AFTER_WRITES: String(writes) };
      const killed = start(folders, args, dying);
      expect(await killed.exited).toBe(null);
      expect(killed.stderr()).toMatch(/^(Console: \S+\n)?$/);
      const next = start(folders, args);
      try {
        expect(await next.ready).toBeDefined();
        expect(next.stderr()).toMatch(/^Console: \S+\n(That address pairs one browser, within 10 minutes\.\n)?$/);
        expect(readdirSync(folders.home).filter((name) => name.includes('.new'))).toEqual([]);
      } finally {
        await endRun(next, folders);
      }
    },
  );
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
