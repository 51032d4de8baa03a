/**
 * Requests over HTTP: as many as 100 connections take, beside Express alone with the same answer; a long list of files;
 * and a prompt that is waited for, beside one by a WebSocket.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOKEN } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { isFrame } from './support/bench-socket.js';
import { now } from './support/clock.js';
import { keepOn } from './support/cores.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { startWorker, type Worker } from './support/worker.js';

const WARM_UP = 5;
const CONNECTIONS = 100;
const SESSIONS = 5;
const FILES = 10_000;
const FILES_IN_FOLDER = 100;
const MOST_LIST_MS = 300;
const MOST_WAIT_MS = 5;
/** What the CLI's stand-in is to write. */
const PROMPT = JSON.stringify({ deltas: 1, perSecond: 1000, perBlock: 1 });
const BEARER = { authorization: `Bearer ${TOKEN}` };

interface Load {
  perSecond: number;
  p50: number;
  p99: number;
  failed: number;
}

interface Goal {
  path: string;
  perSecond: number;
  p99?: number;
}

const GOALS: Goal[] = [
  { path: '/live', perSecond: 12_000 },
  { path: '/api/sessions', perSecond: 5000, p99: 50 },
];

export const rest: Bench = {
  name: 'rest',
  run: async ({ quick }) => {
    const stage = await setStage({ binary: FAKE_CLI });
    const clients = startWorker({ file: 'autocannon.mjs', side: 'load' });
    const reference = startWorker({ file: 'plain-http-server.mjs', side: 'server' });
    try {
      keepOn(stage.daemon.pid, 'server');
      for (let session = 0; session < SESSIONS; session += 1) await open(stage, stage.daemon.project());
      const port = await reference.ask<number>({ type: 'listen' });
      const rows: Row[] = [];
      for (const goal of GOALS)
        rows.push(await measure({ stage, clients, reference, port, seconds: quick ? 3 : 10 }, goal));
      rows.push(await listFiles(stage, quick ? 5 : 30));
      rows.push(await waitForPrompts(stage, quick ? 30 : 300));
      return rows;
    } finally {
      await Promise.all([stage.close(), clients.close(), reference.close()]);
    }
  },
};

async function open({ daemon }: Stage, workingDirectory: string): Promise<string> {
  const body = JSON.stringify({ workingDirectory });
  const headers = { 'content-type': 'application/json' };
  const created = await daemon.fetch('/api/sessions', { method: 'POST', body, headers });
  return ((await created.json()) as { id: string }).id;
}

interface Parts {
  stage: Stage;
  clients: Worker;
  reference: Worker;
  port: number;
  seconds: number;
}

async function measure({ stage, clients, reference, port, seconds }: Parts, goal: Goal): Promise<Row> {
  const { path, perSecond, p99 } = goal;
  const body = await (await stage.daemon.fetch(path)).json();
  await reference.ask({ type: 'answer', body });
  const load = (url: string) =>
    clients.ask<Load>({ type: 'load', url, headers: BEARER, seconds, connections: CONNECTIONS });
  const ours = await load(`${stage.daemon.url}${path}`);
  const theirs = await load(`http://127.0.0.1:${port}/`);
  if (ours.failed > 0) throw new Error(`${ours.failed} requests of ${path} failed`);
  return {
    figure: `GET ${path}, ${CONNECTIONS} connections, apart`,
    goal: `> ${perSecond}/s${p99 === undefined ? '' : `, p99 < ${p99} ms`}`,
    measured: `${digits(ours.perSecond)}/s, p50 ${ours.p50} ms, p99 ${ours.p99} ms`,
    reference: `Express with this answer: ${digits(theirs.perSecond)}/s, p99 ${theirs.p99} ms`,
    ratio: ours.perSecond / theirs.perSecond,
    goalRatio: perSecond / theirs.perSecond,
    met: ours.perSecond > perSecond && ours.p99 < (p99 ?? Number.POSITIVE_INFINITY),
  };
}

const nextEnd = ({ socket }: Stage): Promise<void> =>
  new Promise((resolve) => {
    const stop = socket.listen((frame) => {
      if (!isFrame(frame, 'streamComplete')) return;
      stop();
      resolve();
    });
  });

/** From sending a prompt to its end, by turns over HTTP and by the socket. */
async function waitForPrompts(stage: Stage, rounds: number): Promise<Row> {
  const { daemon } = stage;
  const directory = daemon.project();
  const held = stage.held(directory);
  const id = await open(stage, directory);
  const url = `${daemon.url}/api/sessions/${id}/prompts?wait=true`;
  const headers = { ...BEARER, 'content-type': 'application/json' };
  const times = { rest: [] as number[], socket: [] as number[] };
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    const { sentAt } = await held.turn(PROMPT);
    const heldMs = now() - sentAt;
    const isTold = nextEnd(stage);
    const began = now();
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ prompt: PROMPT }) });
    await response.text();
    const restMs = now() - began;
    // Else the next turn on the socket would end with this one.
    await isTold;
    if (response.status !== 200) throw new Error(`a prompt was answered ${response.status}`);
    if (round < WARM_UP) continue;
    times.socket.push(heldMs);
    times.rest.push(restMs);
  }
  const [found, reference] = [distributionOf(times.rest), distributionOf(times.socket)];
  const added = found.p50 - reference.p50;
  return {
    figure: 'a prompt with ?wait, added to the way by the socket',
    goal: `p50 ≤ ${MOST_WAIT_MS} ms more`,
    measured: `${inMs(found)}: ${digits(added)} ms more`,
    reference: `${inMs(reference)} by the socket`,
    ratio: found.p50 / reference.p50,
    met: added <= MOST_WAIT_MS,
  };
}

async function listFiles(stage: Stage, rounds: number): Promise<Row> {
  const { daemon } = stage;
  const directory = daemon.project();
  for (let file = 0; file < FILES; file += 1) {
    const folder = join(directory, `folder${Math.floor(file / FILES_IN_FOLDER)}`);
    if (file % FILES_IN_FOLDER === 0) mkdirSync(folder);
    writeFileSync(join(folder, `file${file}.ts`), '');
  }
  const id = await open(stage, directory);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const began = now();
    // Not by the daemon's own `fetch`, which holds each answer against its schema.
    await (await fetch(`${daemon.url}/api/sessions/${id}/files?recursive=true`, { headers: BEARER })).text();
    times.push(now() - began);
  }
  const found = distributionOf(times);
  return {
    figure: `list of ${digits(FILES)} files`,
    goal: `p50 < ${MOST_LIST_MS} ms`,
    measured: inMs(found),
    reference: '',
    met: found.p50 < MOST_LIST_MS,
  };
}
