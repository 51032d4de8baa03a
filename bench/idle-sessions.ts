/** What sessions cost the daemon that nobody uses: with a CLI of its own, with an adopted one, and hibernated. */
import type { Bench } from './support/bench.js';
import { now, sleep } from './support/clock.js';
import { digits } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { FLEET_ENVIRONMENT, fleetSize, openFleet, sessionsOf, sizeNote, untilLive } from './support/fleet.js';
import { createProbe, type Probe } from './support/probe.js';
import { processorSeconds } from './support/process-figures.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { newSessionId, ownerOf, writeJournal } from './support/written-journal.js';

const SESSIONS = 20;
const SESSIONS_QUICK = 4;
const HIBERNATED = 200;
/** Of each hibernated session. */
const EVENTS = 50;
const TEXT_BYTES = 2000;
const REST_MS = 30_000;
const REST_QUICK_MS = 5000;
const SETTLE_MS = 3000;
const MOST_PROCESSOR = 0.01;
const MOST_MIB = 1;
const MIB = 1024 * 1024;

interface Cost {
  /** Share of one core. */
  processor: number;
  /** Bytes, after the garbage collector has run: of the process, and of its heap. */
  resident: number;
  heap: number;
}

export const idleSessions: Bench = {
  name: 'idle-sessions',
  run: async ({ quick }) => {
    const wanted = quick ? SESSIONS_QUICK : SESSIONS;
    const count = await fleetSize(wanted);
    const probe = createProbe('server/main.js');
    const restMs = quick ? REST_QUICK_MS : REST_MS;
    try {
      const live = await measureLive({ probe, restMs, count });
      const hibernated = await measureHibernated({ probe, restMs });
      return rowsOf({ ...live, ...hibernated, who: `${count} idle CLIs${sizeNote(count, wanted)}`, count });
    } finally {
      probe.close();
    }
  },
};

interface Options {
  probe: Probe;
  restMs: number;
}

async function measureLive({ probe, restMs, count }: Options & { count: number }) {
  const stage = await setStage({ environment: { ...probe.environment, ...FLEET_ENVIRONMENT } });
  const measured = () => measure(stage, { probe, restMs });
  try {
    // As fresh as the one that adopts.
    await stage.daemon.restart('SIGKILL');
    const empty = await measured();
    await openFleet(stage, count);
    const own = await measured();
    await stage.daemon.restart('SIGKILL');
    await untilLive(stage.daemon, count);
    return { empty, own, adopted: await measured() };
  } finally {
    await stage.close();
  }
}

async function measureHibernated({ probe, restMs }: Options) {
  const stage = await setStage({ binary: FAKE_CLI, environment: probe.environment });
  const { daemon } = stage;
  try {
    await daemon.kill('SIGTERM');
    const owner = ownerOf(daemon.home);
    const sessions = Array.from({ length: HIBERNATED }, () => {
      return { sessionId: newSessionId(), directory: daemon.project(), events: EVENTS, bytes: TEXT_BYTES, open: true };
    });
    await writeJournal({ home: daemon.home, owner, sessions });
    await daemon.start();
    const statuses = (await sessionsOf(daemon)).map(({ status }) => status);
    if (statuses.some((status) => status !== 'hibernated')) throw new Error(`not hibernated: ${statuses.join(' ')}`);
    return { hibernated: await measure(stage, { probe, restMs }) };
  } finally {
    await stage.close();
  }
}

async function measure({ daemon }: Stage, { probe, restMs }: Options): Promise<Cost> {
  await sleep(SETTLE_MS);
  const [from, used] = [now(), processorSeconds(daemon.pid)];
  await sleep(restMs);
  const processor = (processorSeconds(daemon.pid) - used) / ((now() - from) / 1000);
  const { rss, heapUsed, external } = await probe.look(daemon.pid, 'collected');
  return { processor, resident: rss, heap: heapUsed + external };
}

interface Measured {
  empty: Cost;
  own: Cost;
  adopted: Cost;
  hibernated: Cost;
  who: string;
  count: number;
}

function rowsOf({ empty, own, adopted, hibernated, who, count }: Measured): Row[] {
  const kinds = [
    { name: who, cost: own, count },
    { name: `${who}, adopted`, cost: adopted, count },
    { name: `${HIBERNATED} hibernated sessions`, cost: hibernated, count: HIBERNATED },
  ];
  return [
    ...kinds.map(({ name, cost }) => processorRow({ name, cost, empty })),
    ...kinds.map((kind) => memoryRow({ ...kind, empty })),
  ];
}

interface Kind {
  name: string;
  cost: Cost;
  empty: Cost;
}

const processorRow = ({ name, cost: { processor }, empty }: Kind): Row => ({
  figure: `daemon with ${name}, processor`,
  goal: `< ${MOST_PROCESSOR * 100} % of a core`,
  measured: inPercent(processor),
  reference: `no session: ${inPercent(empty.processor)}`,
  ratio: processor / empty.processor,
  goalRatio: MOST_PROCESSOR / empty.processor,
  met: processor < MOST_PROCESSOR,
});

function memoryRow({ name, cost, empty, count }: Kind & { count: number }): Row {
  const each = (figure: 'resident' | 'heap') => (cost[figure] - empty[figure]) / MIB / count;
  return {
    figure: `daemon with ${name}, memory of each (resident, after gc; heap alone)`,
    goal: `< ${MOST_MIB} MB`,
    measured: `${digits(each('resident'))} MB (${digits(each('heap'))})`,
    reference: `no session: ${digits(empty.resident / MIB)} MB in all (${digits(empty.heap / MIB)})`,
    met: each('resident') < MOST_MIB,
  };
}

const inPercent = (share: number): string => `${digits(share * 100)} %`;
