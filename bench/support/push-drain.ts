/**
 * Pushes that were held up and fall due all at once, alone and while a session of the same daemon streams to a client. The daemon
 * has both processors: on one, its own threads (which compile, collect garbage, make checkpoints and write files) would
 * keep its event loop waiting for 10 ms at a time.
 */
import { type Daemon, TOKEN } from '../../tests/support/daemon.js';
import type { ApnsStage, Taken } from './apns-stage.js';
import { type BenchSocket, dataOf, isFrame, openBenchSocket } from './bench-socket.js';
import { now, sleep, within } from './clock.js';
import { cliEnvironment } from './cores.js';
import { type Crowd, openCrowd } from './crowd.js';
import { FAKE_CLI } from './fake-cli-path.js';
import { promptOf } from './load.js';
import { writeOwedPushes } from './owed-pushes.js';
import { processorSeconds } from './process-figures.js';
import { registerDevices, tokenOf } from './registered-devices.js';
import { setStage } from './stage.js';
import { newSessionId, ownerOf } from './written-journal.js';

/** How long pushes took to leave. */
export interface Drain {
  ms: number;
  /** Of the sender's processor. */
  processorMs: number;
  /** Of the service's. */
  serviceMs: number;
}

/** The daemon, and node-apn alone in a process beside it. */
export interface DrainRound {
  pushes: number;
  daemon: Drain;
  alone: Drain;
}

/** How old deltas of a session were when they came meanwhile. */
export interface StreamedRound {
  /** How many were owed, and how many have left. */
  pushes: number;
  left: number;
  daemon: Drain & { deltas: number[] };
  /** As fast as the daemon. */
  alone: Drain & { deltas: number[] };
  /** Deltas while nothing was sent. */
  calm: number[];
}

const DEVICES = 10;
const REQUESTS = 10;
const PER_SECOND = 250;
const DELTA_BYTES = 32;
const PER_BLOCK = 100;
/** The daemon has to be up by then. */
const DUE_IN_MS = 8000;
/** The session streams by then, and has done so for `CALM_MS`. */
const DUE_STREAMED_IN_MS = 20_000;
const CALM_MS = 10_000;
const WINDOW_MS = 20_000;
const SETTLE_MS = 500;
const DRAIN_MS = 240_000;
const FRAME_MS = 12_000;
/** More than a round takes; what is left of the turn ends with the daemon. */
const TURN_S = 600;

const DEVICE_IDS = Array.from({ length: DEVICES }, (_, nth) => `phone-${nth}`);

/** Nobody watches. */
export const measureDrain = (apns: ApnsStage, pushes: number): Promise<DrainRound> =>
  withOwed({ apns, pushes, dueInMs: DUE_IN_MS }, async ({ daemon, dueAt }) => {
    await pushOne(daemon, apns);
    if (Date.now() > dueAt) throw new Error('the daemon was up too late');
    await sleep(dueAt - Date.now());
    const ours = await watch({ apns, pid: daemon.pid, pushes }, async () => {});
    await apns.reset();
    const alone = await watch({ apns, pid: apns.alonePid, pushes }, () => apns.sendAlone(requestsOf(pushes)));
    return { pushes, daemon: ours, alone };
  });

/** Somebody watches a session. */
export async function measureStreamed(apns: ApnsStage, pushes: number): Promise<StreamedRound> {
  const crowd = openCrowd();
  try {
    return await withOwed({ apns, pushes, dueInMs: DUE_STREAMED_IN_MS }, async ({ daemon, dueAt }) => {
      await stream(daemon, crowd);
      await pushOne(daemon, apns);
      return measure({ apns, crowd, pid: daemon.pid, pushes, dueAt });
    });
  } finally {
    await crowd.close();
  }
}

interface Owing {
  apns: ApnsStage;
  pushes: number;
  dueInMs: number;
}

/** A daemon that owes so many pushes. */
async function withOwed<T>(
  { apns, pushes, dueInMs }: Owing,
  act: (owing: { daemon: Daemon; dueAt: number }) => Promise<T>,
): Promise<T> {
  const stage = await setStage({ binary: FAKE_CLI, environment: { ...apns.environment, ...cliEnvironment() } });
  try {
    const { daemon } = stage;
    await registerDevices(daemon, DEVICE_IDS);
    await stage.socket.close();
    await daemon.kill('SIGTERM');
    const sessions = Array.from({ length: pushes / DEVICES / REQUESTS }, () => ({
      sessionId: newSessionId(),
      directory: daemon.project(),
    }));
    const dueAt = Date.now() + dueInMs;
    const owner = ownerOf(daemon.home);
    await writeOwedPushes({ home: daemon.home, owner, deviceIds: DEVICE_IDS, sessions, requests: REQUESTS, dueAt });
    await daemon.start();
    return await act({ daemon, dueAt });
  } finally {
    await stage.close();
  }
}

/** The first push loads node-apn and connects, which is once in the life of a daemon. */
async function pushOne(daemon: Daemon, apns: ApnsStage): Promise<void> {
  await apns.reset();
  const response = await daemon.fetch('/api/push-notifications/test', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ deviceId: DEVICE_IDS[0] }),
  });
  if (!response.ok) throw new Error(`no test was sent: ${await response.text()}`);
  await within(apns.reached(1), FRAME_MS, 'the first push');
  await apns.reset();
}

/** A session that streams, with one client in another process. */
async function stream(daemon: Daemon, crowd: Crowd): Promise<void> {
  const socket = await openBenchSocket(daemon);
  const started = nextFrame(socket, 'streamStarted');
  const load = { count: TURN_S * PER_SECOND, bytes: DELTA_BYTES, perBlock: PER_BLOCK, perSecond: PER_SECOND };
  const prompt = promptOf({ kind: 'deltas', ...load });
  socket.send('streamStart', { prompt, workingDirectory: daemon.project() });
  const { sessionId } = dataOf<{ sessionId: string }>(await started);
  await socket.close();
  const port = Number(new URL(daemon.url).port);
  const events = ['streamData'];
  await crowd.open({ kind: 'companion', port, token: TOKEN, sessionIds: [sessionId], events, device: 'watcher' }, 1);
  await crowd.time();
}

function nextFrame(socket: BenchSocket, type: string): Promise<string> {
  const frame = new Promise<string>((resolve) => {
    const stop = socket.listen((text) => {
      if (!isFrame(text, type)) return;
      stop();
      resolve(text);
    });
  });
  return within(frame, FRAME_MS, type);
}

interface Measured {
  apns: ApnsStage;
  crowd: Crowd;
  pid: number;
  pushes: number;
  dueAt: number;
}

async function measure({ apns, crowd, pid, pushes, dueAt }: Measured): Promise<StreamedRound> {
  await sleep(dueAt - CALM_MS - Date.now());
  if (Date.now() > dueAt - CALM_MS / 2) throw new Error('the daemon was up too late');
  const marks = [await crowd.timedCount()];
  const mark = async () => void marks.push(await crowd.timedCount());
  await sleep(dueAt - Date.now());
  await mark();
  const { left, ...daemon } = await watchWindow(apns, pid);
  await mark();
  await apns.reset();
  const sent = Math.max(1, Math.round(left / DEVICES)) * DEVICES;
  const send = () => apns.sendAlone({ ...requestsOf(sent), perSecond: sent / (WINDOW_MS / 1000) });
  const alone = await watchAlone(apns, send);
  await mark();
  const times = Array.from(await crowd.timed());
  const [before = 0, from = 0, to = 0, aloneTo = 0] = marks;
  return {
    pushes,
    left,
    daemon: { ...daemon, deltas: times.slice(from, to) },
    alone: { ...alone, deltas: times.slice(to, aloneTo) },
    calm: times.slice(before, from),
  };
}

/** For a while, however many have left by then. */
async function watchWindow(apns: ApnsStage, pid: number): Promise<Drain & { left: number }> {
  const usedBefore = processorSeconds(pid);
  await sleep(WINDOW_MS);
  const { distinct: left, busyMs: serviceMs } = await apns.taken();
  return { left, ms: WINDOW_MS, processorMs: (processorSeconds(pid) - usedBefore) * 1000, serviceMs };
}

async function watchAlone(apns: ApnsStage, send: () => Promise<void>): Promise<Drain> {
  const usedBefore = processorSeconds(apns.alonePid);
  const at = now();
  await send();
  const { busyMs: serviceMs } = await apns.taken();
  return { ms: now() - at, processorMs: (processorSeconds(apns.alonePid) - usedBefore) * 1000, serviceMs };
}

/** From now until all pushes were taken, each once. */
async function watch(
  { apns, pid, pushes }: { apns: ApnsStage; pid: number; pushes: number },
  send: () => Promise<void>,
): Promise<Drain> {
  const usedBefore = processorSeconds(pid);
  const at = now();
  await Promise.all([send(), within(apns.reached(pushes), DRAIN_MS, 'the drain')]);
  await sleep(SETTLE_MS);
  const taken: Taken = await apns.taken();
  if (taken.distinct !== pushes || taken.repeated > 0)
    throw new Error(`${taken.distinct} of ${pushes} pushes came, and ${taken.repeated} twice`);
  const processorMs = (processorSeconds(pid) - usedBefore) * 1000;
  return { ms: taken.last - at, processorMs, serviceMs: taken.busyMs };
}

function requestsOf(pushes: number) {
  const collapseIds = Array.from({ length: pushes / DEVICES }, (_, nth) => `ask.${String(nth).padStart(58, '0')}`);
  return { tokens: DEVICE_IDS.map(tokenOf), collapseIds, payload: PAYLOAD };
}

/** As large as what the daemon sends. */
const PAYLOAD = {
  aps: {
    alert: { title: 'project-1', subtitle: 'Permission: Bash', body: 'Claude wants to use Bash' },
    badge: 1000,
    sound: 'default',
    'mutable-content': 1,
    'interruption-level': 'time-sensitive',
    'relevance-score': 1,
    'thread-id': '00000000-0000-0000-0000-000000000000',
    category: 'PERMISSION_REQUEST',
  },
  pushId: '000000000000000000000',
  kind: 'permission',
  sessionId: '00000000-0000-0000-0000-000000000000',
  seq: 1,
  permissionId: 'toolu_000000000000000000000000',
  url: 'claude-companion://session/00000000-0000-0000-0000-000000000000?seq=1',
  options: ['allow', 'deny'],
  actionTokens: { deny: 'x'.repeat(43) },
};
