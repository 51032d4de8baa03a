/** From a part of a path to the paths that match it, in a directory of 50,000 files, beside the bare CLI. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SessionId } from '../protocol/scalars.js';
import type { Bench } from './support/bench.js';
import { type BenchSocket, dataOf, isFrame } from './support/bench-socket.js';
import { now, sleep, within } from './support/clock.js';
import { distributionOf, inMs } from './support/distribution.js';
import { type Stage, setStage } from './support/stage.js';

const FILES = 50_000;
const FILES_IN_FOLDER = 100;
const MOST_MS = 30;
const ANSWER_MS = 15_000;
/** Until the CLI has listed the directory. */
const LISTED_MS = 30_000;
const PAUSE_MS = 20;

/** Resolves when the query is answered, with the number of paths. */
type Suggest = (query: string) => Promise<number>;

export const suggestFiles: Bench = {
  name: 'suggest-files',
  run: async ({ quick }) => {
    const stage = await setStage();
    try {
      const directory = stage.daemon.project();
      fill(directory);
      const { suggest: bareSuggest, close } = openBare(stage, directory);
      try {
        return await compare({ held: await openHeld(stage.socket, directory), bare: bareSuggest, quick });
      } finally {
        await close();
      }
    } finally {
      await stage.close();
    }
  },
};

async function compare({ held, bare, quick }: { held: Suggest; bare: Suggest; quick: boolean }) {
  for (const suggest of [held, bare]) await within(untilListed(suggest), LISTED_MS, 'the list of the files');
  const heldTimes: number[] = [];
  const bareTimes: number[] = [];
  for (let round = 0; round < (quick ? 20 : 300); round += 1) {
    heldTimes.push(await measure(held, round));
    bareTimes.push(await measure(bare, round));
  }
  const [ours, cli] = [distributionOf(heldTimes), distributionOf(bareTimes)];
  return [
    {
      figure: `suggestFiles on ${FILES.toLocaleString('en')} files, p50`,
      goal: `< ${MOST_MS} ms beside the bare CLI`,
      measured: inMs(ours),
      reference: inMs(cli),
      ratio: ours.p50 / cli.p50,
      goalRatio: (cli.p50 + MOST_MS) / cli.p50,
      met: ours.p50 - cli.p50 < MOST_MS,
    },
  ];
}

function fill(directory: string): void {
  for (let folder = 0; folder < FILES / FILES_IN_FOLDER; folder += 1) {
    const path = join(directory, `folder${folder}`);
    mkdirSync(path);
    for (let file = 0; file < FILES_IN_FOLDER; file += 1) writeFileSync(join(path, `file${file}.ts`), '');
  }
}

async function untilListed(suggest: Suggest): Promise<void> {
  while ((await suggest('file42')) === 0) await sleep(PAUSE_MS);
}

async function measure(suggest: Suggest, round: number): Promise<number> {
  const sentAt = now();
  await suggest(`file${round % FILES_IN_FOLDER}`);
  const ms = now() - sentAt;
  await sleep(PAUSE_MS);
  return ms;
}

async function openHeld(socket: BenchSocket, workingDirectory: string): Promise<Suggest> {
  const started = answerOf(socket, 'streamStarted');
  socket.send('streamStart', { prompt: '', workingDirectory });
  const { sessionId } = dataOf<{ sessionId: SessionId }>(await started);
  return async (query) => {
    const answered = answerOf(socket, 'suggestFiles');
    socket.send('suggestFiles', { sessionId, query });
    return dataOf<{ files: unknown[] }>(await answered).files.length;
  };
}

function answerOf(socket: BenchSocket, type: string): Promise<string> {
  const answered = new Promise<string>((resolve) => {
    const end = socket.listen((frame) => {
      if (!isFrame(frame, type)) return;
      end();
      resolve(frame);
    });
  });
  return within(answered, ANSWER_MS, type);
}

function openBare({ binary, cliArguments, childEnvironment: env }: Stage, cwd: string) {
  const child: ChildProcessWithoutNullStreams = spawn(binary, cliArguments, { cwd, env });
  const waiting = new Map<string, (count: number) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { response } = JSON.parse(line) as { response?: { request_id: string; response?: Suggestions } };
    if (response) waiting.get(response.request_id)?.(response.response?.suggestions?.length ?? 0);
  });
  const suggest: Suggest = (query) => {
    const request_id = randomUUID();
    const answered = new Promise<number>((resolve) => waiting.set(request_id, resolve));
    const request = { subtype: 'file_suggestions', query };
    child.stdin.write(`${JSON.stringify({ type: 'control_request', request_id, request })}\n`);
    return within(answered, ANSWER_MS, 'an answer of the bare CLI');
  };
  const close = async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return { suggest, close };
}

interface Suggestions {
  suggestions?: unknown[];
}
