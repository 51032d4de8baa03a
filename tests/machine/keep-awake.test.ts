/** `caffeinate` is on Macs alone: a script stands for it here, and says in files what becomes of it. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { SessionId, SessionStatus } from '../../protocol/scalars.js';
import { KeepAwake, type KeepAwakeOptions } from '../../services/machine/keep-awake.js';
import type { Log } from '../../services/ports/log.js';
import type { UserId } from '../../services/ports/records.js';
import { isAlive, waitUntil } from '../support/wait-until.js';

let folder: string;
let warnings: string[];
let opened: KeepAwake[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-awake-'));
  warnings = [];
  opened = [];
  const script = `#!/bin/sh\necho "$$ $*" >> ${folder}/started\nexec sleep 600\n`;
  writeFileSync(join(folder, 'caffeinate'), script);
  chmodSync(join(folder, 'caffeinate'), 0o700);
});

afterEach(() => {
  for (const awake of opened) awake.close();
  rmSync(folder, { recursive: true });
});

function open(options: Partial<KeepAwakeOptions> = {}): KeepAwake {
  const ignore = () => {};
  const log: Log = { debug: ignore, info: ignore, warn: (message) => warnings.push(message), error: ignore };
  const program = join(folder, 'caffeinate');
  const awake = new KeepAwake({ setting: 'on', platform: 'darwin', program, log, ...options });
  opened.push(awake);
  return awake;
}

/** Each start so far: its pid and what it was given. */
const starts = (): { pid: number; args: string }[] => {
  const path = join(folder, 'started');
  // The file is there before its first line is.
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  return lines.map((line) => ({ pid: Number.parseInt(line, 10), args: line.slice(line.indexOf(' ') + 1) }));
};

const started = async (count: number): Promise<number> => {
  await waitUntil(`it was started ${count} times`, () => starts().length === count);
  return starts().at(-1)?.pid ?? 0;
};

const ended = (pid: number) => waitUntil('it has ended', () => !isAlive(pid));

const [one, two] = ['one', 'two'] as SessionId[] as [SessionId, SessionId];

test('begins with the first turn, is one process for all, and ends with the last', async () => {
  const awake = open();
  awake.see(one, 'idle');
  awake.see(one, 'working');
  const pid = await started(1);
  expect(starts()[0]?.args).toBe(`-i -w ${process.pid}`);
  awake.see(two, 'working');
  awake.see(one, 'waiting');
  awake.see(one, 'idle');
  awake.see(two, 'waiting');
  expect(isAlive(pid)).toBe(true);
  awake.see(two, 'hibernated');
  await ended(pid);
  awake.see(one, 'working');
  await started(2);
});

test('that ends too early is started again by the next turn, and not before', async () => {
  const awake = open();
  awake.see(one, 'working');
  const first = await started(1);
  process.kill(first, 'SIGKILL');
  await ended(first);
  awake.see(one, 'working');
  awake.see(one, 'waiting');
  awake.see(one, 'idle');
  expect(starts()).toHaveLength(1);
  awake.see(two, 'working');
  expect(isAlive(await started(2))).toBe(true);
});

test('is not left behind, and not started any more, when the daemon ends', async () => {
  const awake = open();
  awake.see(one, 'working');
  const pid = await started(1);
  awake.close();
  await ended(pid);
  awake.see(two, 'working');
  expect(starts()).toHaveLength(1);
});

test('that is not there is no failure, and said once', async () => {
  const awake = open({ program: join(folder, 'nowhere') });
  awake.see(one, 'working');
  await waitUntil('it was said', () => warnings.length === 1);
  awake.see(one, 'idle');
  const other = open();
  for (const status of ['working', 'idle', 'working'] as const) awake.see(one, status);
  // By the time that a later start is told of, the failure of those before has been told too.
  other.see(one, 'working');
  await started(1);
  expect(warnings).toHaveLength(1);
});

test.each<Partial<KeepAwakeOptions>>([{ setting: 'off' }, { platform: 'linux' }])(
  'is never started with %j',
  async (options) => {
    const awake = open(options);
    awake.see(one, 'working');
    open().see(one, 'working');
    await started(1);
    expect(starts()).toHaveLength(1);
  },
);

test('is told by what sessions publish, which goes on to who listens', async () => {
  const published: unknown[] = [];
  const publisher = open().observe({
    publish: (session, items) => published.push([session.sessionId, items]),
    isNamed: () => false,
    opened: ({ sessionId }) => published.push(sessionId),
    forgotten: async (sessionId) => {
      published.push(sessionId);
    },
  });
  const say = (sessionId: SessionId, status: SessionStatus) => {
    const data = JSON.stringify({ sessionId, status });
    const items = [{ kind: 'event', event: { seq: 1, type: 'sessionStatus', at: 0, data } }] as const;
    publisher.publish({ sessionId, owner: 'somebody' as UserId }, items);
    expect(published.at(-1)).toEqual([sessionId, items]);
  };
  publisher.opened({ sessionId: one, owner: 'somebody' as UserId });
  say(one, 'working');
  const first = await started(1);
  say(one, 'idle');
  await ended(first);
  say(two, 'working');
  const second = await started(2);
  await publisher.forgotten(two);
  await ended(second);
  expect(published).toHaveLength(5);
});
