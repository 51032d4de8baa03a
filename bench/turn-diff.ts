/** From the end of a turn to what it has changed in files, beside git, and how long that keeps the event loop. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SessionId } from '../protocol/scalars.js';
import type { Bench } from './support/bench.js';
import { type BenchSocket, dataOf, isFrame } from './support/bench-socket.js';
import { now, within } from './support/clock.js';
import { distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { createProbe, type Probe } from './support/probe.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const CHANGED = 100;
const DIRECTORIES = [1000, 20_000];
const FILES_IN_FOLDER = 100;
const LINES = 100;
const MOST_MS = 50;
const TURN_MS = 60_000;

export const turnDiff: Bench = {
  name: 'turn-diff',
  run: async ({ quick }) => {
    const rows: Row[] = [];
    for (const files of DIRECTORIES) rows.push(...(await measureIn(files, quick ? 5 : 40)));
    return rows;
  },
};

interface Measured {
  /** From the end of the turn to the diff, in milliseconds. */
  diff: number[];
  git: number[];
  /** The longest time that the loop was blocked in each turn, with a diff and without. */
  blocked: number[];
  blockedBefore: number[];
}

async function measureIn(files: number, rounds: number): Promise<Row[]> {
  const probe = createProbe('server/main.js');
  const stage = await setStage({ binary: FAKE_CLI, environment: probe.environment });
  try {
    const directory = stage.daemon.project();
    for (let file = 0; file < files; file += 1) put(directory, pathOf(file), textOf(file));
    const measured = await measure({ stage, probe, directory, files, rounds });
    return rowsOf(files, measured);
  } finally {
    await stage.close();
    probe.close();
  }
}

const pathOf = (file: number): string => `folder${Math.floor(file / FILES_IN_FOLDER)}/file${file}.ts`;

const textOf = (file: number, mark?: string): string =>
  Array.from({ length: LINES }, (_, line) => {
    const isChanged = mark !== undefined && (line === 20 || line === 70);
    return `export const value${line} = ${file * LINES + line};${isChanged ? ` // ${mark}` : ''}\n`;
  }).join('');

function put(directory: string, path: string, text: string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), text);
}

interface Measuring {
  stage: Stage;
  probe: Probe;
  directory: string;
  files: number;
  rounds: number;
}

async function measure({ stage, probe, directory, files, rounds }: Measuring): Promise<Measured> {
  const { socket, daemon } = stage;
  const turn = await openSession(socket, directory);
  // The first note of a directory reads every file.
  await turn([], '');
  await turn(chosenOf(files).map(pathOf), 'first');
  const measured: Measured = { diff: [], git: [], blocked: [], blockedBefore: [] };
  for (let round = 1; round <= rounds; round += 1) {
    await probe.look(daemon.pid, 'watching the loop');
    await turn([], '');
    measured.blockedBefore.push((await probe.look(daemon.pid, 'watching the loop')).loopMax);
    const ms = await turn(chosenOf(files).map(pathOf), `${round}`);
    if (ms !== undefined) measured.diff.push(ms);
    measured.blocked.push((await probe.look(daemon.pid)).loopMax);
  }
  measureGit({ directory, files, rounds }, measured.git);
  return measured;
}

/** Spread over the directory. */
const chosenOf = (files: number): number[] =>
  Array.from({ length: CHANGED }, (_, nth) => Math.floor((nth * files) / CHANGED));

/** Runs a turn that changes these files. Resolves with the time from its end to its diff, if it has one. */
type RunTurn = (paths: string[], mark: string) => Promise<number | undefined>;

async function openSession(socket: BenchSocket, workingDirectory: string): Promise<RunTurn> {
  const started = frameOf(socket, 'streamStarted');
  socket.send('streamStart', { prompt: '', workingDirectory });
  const { sessionId } = dataOf<{ sessionId: SessionId }>((await started).frame);
  return async (paths, mark) => {
    const complete = frameOf(socket, 'streamComplete');
    const diff = paths.length > 0 ? frameOf(socket, 'turnDiff') : undefined;
    socket.send('streamSend', { sessionId, prompt: JSON.stringify({ rewrite: { files: paths, mark } }) });
    const { at: endedAt } = await complete;
    if (!diff) return undefined;
    const { frame, at } = await diff;
    const { files } = dataOf<{ files: unknown[] }>(frame);
    if (files.length !== CHANGED) throw new Error(`${files.length} files are in the diff`);
    return at - endedAt;
  };
}

function frameOf(socket: BenchSocket, type: string): Promise<{ frame: string; at: number }> {
  const came = new Promise<{ frame: string; at: number }>((resolve) => {
    const end = socket.listen((frame, at) => {
      if (!isFrame(frame, type)) return;
      end();
      resolve({ frame, at });
    });
  });
  return within(came, TURN_MS, type);
}

/** What git takes for the same changes, with its index at hand. Nothing where git is missing. */
function measureGit({ directory, files, rounds }: Omit<Measuring, 'stage' | 'probe'>, times: number[]): void {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: directory, maxBuffer: 64 * 1024 * 1024 });
  if (git('init', '-q').status !== 0 || git('add', '-A').status !== 0) return;
  for (let round = 1; round <= rounds; round += 1) {
    for (const file of chosenOf(files)) put(directory, pathOf(file), textOf(file, `git ${round}`));
    const beganAt = now();
    git('diff', '--no-ext-diff');
    times.push(now() - beganAt);
  }
}

function rowsOf(files: number, { diff, git, blocked, blockedBefore }: Measured): Row[] {
  const what = `diff of a turn with ${CHANGED} changed files among ${files.toLocaleString('en')}`;
  const ours = distributionOf(diff);
  const theirs = git.length > 0 ? distributionOf(git) : undefined;
  const hasGoal = files === DIRECTORIES[0];
  const [longest, before] = [distributionOf(blocked), distributionOf(blockedBefore)];
  return [
    {
      figure: `${what}, after streamComplete`,
      goal: hasGoal ? `< ${MOST_MS} ms` : '',
      measured: inMs(ours),
      reference: theirs ? `git diff ${inMs(theirs)}` : 'no git',
      ...(theirs && { ratio: ours.p50 / theirs.p50 }),
      ...(hasGoal && theirs && { goalRatio: MOST_MS / theirs.p50 }),
      ...(hasGoal && { met: ours.p50 < MOST_MS }),
    },
    {
      figure: `${what}: loop blocked, longest in a turn`,
      goal: '',
      measured: inMs(longest),
      reference: `a turn without a tool ${inMs(before)}`,
      ratio: longest.p50 / before.p50,
    },
  ];
}
