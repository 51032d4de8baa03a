/** Looks at all processes of the machine: they leave the loop to others, and see what starts meanwhile. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { signalEach, someLive } from '../../services/claude/process/process-identity.js';
import {
  findByEnvironment,
  findOrphanedWriters,
  listProcesses,
  lookAtAll,
} from '../../services/claude/process/process-table.js';
import { hasMarkedOutside } from '../../services/claude/process/sweep.js';

const MARKER = 'CLAUDE_COMPANION_CHILD';
/** Several slices. */
const CROWD = 64;

const started: ChildProcess[] = [];
afterEach(async () => {
  const ends = started.splice(0).map(async (child) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await Promise.all(ends);
});

async function startCrowd(value: string): Promise<number[]> {
  const env = { PATH: process.env.PATH, [MARKER]: value };
  const crowd = Array.from({ length: CROWD }, () => spawn('sleep', ['600'], { env, stdio: 'ignore' }));
  started.push(...crowd);
  await Promise.all(crowd.map((child) => once(child, 'spawn')));
  return crowd.map(({ pid }) => pid ?? 0);
}

/** How often the loop came round while this was done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isDone = true;
  return turns;
}

test('other work runs between the slices in which all processes are looked at', async () => {
  const value = randomUUID();
  await startCrowd(value);
  const rows = await listProcesses();
  const crowd = await findByEnvironment(MARKER, value);
  const looks: [number, () => Promise<unknown>][] = [
    [rows.length, listProcesses],
    [rows.length, () => findByEnvironment(MARKER, value)],
    [rows.length, () => findOrphanedWriters(rows, { part: '/none/', without: MARKER })],
    [CROWD, () => signalEach(crowd, 'SIGCONT')],
    [CROWD, () => someLive(crowd.map(({ pid }) => ({ pid, startTime: 'another' })))],
  ];
  for (const [count, look] of looks) expect(await turnsDuring(look)).toBeGreaterThanOrEqual(Math.floor(count / 16) - 1);
});

test('H3: all that carry a marker are found, and those of one group are told from others', async () => {
  const value = randomUUID();
  const pids = await startCrowd(value);
  const found = await findByEnvironment(MARKER, value);
  expect(new Set(found.map(({ pid }) => pid))).toEqual(new Set(pids));
  const group = found[0]?.group ?? 0;
  expect(await hasMarkedOutside(group, { marker: MARKER, value })).toBe(false);
  expect(await hasMarkedOutside(group + 1, { marker: MARKER, value })).toBe(true);
});

test('H3: a process that starts while others are being listed is in the list that is asked for then', async () => {
  const first = listProcesses();
  const [pid] = await startCrowd(randomUUID());
  const [, second] = await Promise.all([first, listProcesses()]);
  expect(second.map((row) => row.pid)).toContain(pid);
});

test('H3: a process that begins another and ends between two slices does not hide it', async () => {
  const lists = [
    [1, 2],
    [1, 3, 4],
    [1, 4],
  ];
  const looks: number[] = [];
  const look = (pid: number) => {
    looks.push(pid);
    // The fourth is in the midst of `exec`.
    return pid === 4 ? ('unclear' as const) : ('seen' as const);
  };
  await lookAtAll(look, async () => lists.shift() ?? []);
  expect(looks).toEqual([1, 2, 3, 4, 4]);
});
