/** How many events a second the journal takes on a real file, and for how long it keeps the loop from anything else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import type { UserId } from '../services/ports/records.js';
import { openDatabase } from '../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../services/record/sqlite/sqlite-journal.js';
import type { Bench } from './support/bench.js';
import { startBroadcast } from './support/broadcast.js';
import { now } from './support/clock.js';
import { openCrowd } from './support/crowd.js';
import { digits } from './support/distribution.js';
import { createProbe } from './support/probe.js';
import type { Row } from './support/table.js';
import { messageEvent, newSessionId, recordOf } from './support/written-journal.js';

const EVENTS = 200_000;
const EVENTS_QUICK = 20_000;
const ROUNDS = 3;
/** The text of an event. */
const TEXT_BYTES = 200;
/** What a busy CLI's output holds in the 64 KiB that the daemon reads in one turn of its loop. */
const EVENTS_IN_TURN = 128;
const LEAST_PER_SECOND = 50_000;
const MOST_BLOCKED_MS = 5;
const PROBE_MS = 1;
const NANOSECONDS_IN_MS = 1e6;

interface Shape {
  name: string;
  perCommit: number;
}

/** One step of a session is one commit; steps that come together may share one. */
const SHAPES: Shape[] = [
  { name: 'one event a commit', perCommit: 1 },
  { name: `${EVENTS_IN_TURN} events a commit`, perCommit: EVENTS_IN_TURN },
];

interface Taken {
  perSecond: number;
  /** p99 of how late a timer was. */
  blockedMs: number;
}

type Write = (from: number, count: number) => Promise<void> | void;

export const journal: Bench = {
  name: 'journal',
  run: async ({ quick }) => {
    const events = quick ? EVENTS_QUICK : EVENTS;
    const rows: Row[] = [];
    for (const shape of SHAPES) {
      const ours: Taken[] = [];
      const bare: Taken[] = [];
      for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
        ours.push(await inFolder((folder) => measureJournal({ folder, events, ...shape })));
        bare.push(await inFolder((folder) => measureBare({ folder, events, ...shape })));
      }
      rows.push(...rowsOf(shape, ours, bare));
    }
    return [...rows, ...wholeRows(await measureWhole(events))];
  },
};

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'companion-journal-'));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Options {
  folder: string;
  events: number;
  perCommit: number;
}

async function measureJournal({ folder, events, perCommit }: Options): Promise<Taken> {
  const database = openDatabase(join(folder, 'journal.db'));
  const opened = createSqliteJournal({ database, bootId: 'bench' });
  const record = recordOf({ sessionId: newSessionId(), owner: 'bench' as UserId, directory: folder });
  const taken = await measure(events, perCommit, async (from, count) => {
    const some = Array.from({ length: count }, (_, index) => messageEvent(from + index, TEXT_BYTES));
    opened.commit({ record, events: some, prompts: [], permissions: [] });
  });
  await opened.close();
  return taken;
}

/** The same texts in one table with the key alone. */
async function measureBare({ folder, events, perCommit }: Options): Promise<Taken> {
  const database = openDatabase(join(folder, 'bare.db'));
  database.exec('CREATE TABLE bare (session_id TEXT, seq INTEGER, data TEXT, PRIMARY KEY (session_id, seq))');
  const insert = database.prepare('INSERT INTO bare VALUES (?, ?, ?)');
  const sessionId = newSessionId();
  const commit = database.transaction((from: number, count: number) => {
    for (let seq = from; seq < from + count; seq += 1) insert.run(sessionId, seq, messageEvent(seq, TEXT_BYTES).data);
  });
  const taken = await measure(events, perCommit, (from, count) => commit(from, count));
  database.close();
  return taken;
}

/** As the daemon does: a stretch of lines in one turn of the loop, then whoever else wants it. */
async function measure(events: number, perCommit: number, write: Write): Promise<Taken> {
  const delay = monitorEventLoopDelay({ resolution: PROBE_MS });
  await setImmediate();
  delay.enable();
  const startedAt = now();
  for (let seq = 1; seq <= events; ) {
    for (let inTurn = 0; inTurn < EVENTS_IN_TURN && seq <= events; inTurn += perCommit) {
      const count = Math.min(perCommit, events - seq + 1);
      await write(seq, count);
      seq += count;
    }
    await setImmediate();
  }
  const seconds = (now() - startedAt) / 1000;
  delay.disable();
  return { perSecond: events / seconds, blockedMs: delay.percentile(99) / NANOSECONDS_IN_MS - PROBE_MS };
}

/** All that the daemon does for an event: one CLI writes them as fast as it can, and nobody wants to see them. */
async function measureWhole(events: number): Promise<Taken> {
  const probe = createProbe('server/main.js');
  const broadcast = await startBroadcast(probe.environment);
  const crowd = openCrowd();
  try {
    await crowd.open(broadcast.entrance(['streamComplete']), 1);
    await probe.look(broadcast.pid, 'watching the loop');
    await crowd.count({});
    await broadcast.say({ kind: 'events', count: events, bytes: TEXT_BYTES, batch: EVENTS_IN_TURN });
    const { ms } = await crowd.counted();
    const { loopP99 } = await probe.look(broadcast.pid);
    return { perSecond: events / (ms / 1000), blockedMs: loopP99 };
  } finally {
    await crowd.close();
    await broadcast.close();
    probe.close();
  }
}

const wholeRows = ({ perSecond, blockedMs }: Taken): Row[] => [
  {
    figure: 'events of one CLI into the journal, whole daemon',
    goal: '',
    measured: inThousands(perSecond),
    reference: '',
  },
  {
    figure: 'events of one CLI into the journal, whole daemon: loop blocked, p99',
    goal: `< ${MOST_BLOCKED_MS} ms`,
    measured: `${digits(blockedMs)} ms`,
    reference: '',
    met: blockedMs < MOST_BLOCKED_MS,
  },
];

function rowsOf({ name }: Shape, ours: Taken[], bare: Taken[]): Row[] {
  const [rate, bareRate] = [median(ours, 'perSecond'), median(bare, 'perSecond')];
  const [blocked, bareBlocked] = [median(ours, 'blockedMs'), median(bare, 'blockedMs')];
  return [
    {
      figure: `journal, ${name}`,
      goal: `≥ ${LEAST_PER_SECOND / 1000} k events/s`,
      measured: inThousands(rate),
      reference: `bare better-sqlite3 ${inThousands(bareRate)}`,
      ratio: rate / bareRate,
      goalRatio: LEAST_PER_SECOND / bareRate,
      met: rate >= LEAST_PER_SECOND,
    },
    {
      figure: `journal, ${name}, ${EVENTS_IN_TURN} a turn of the loop: loop blocked, p99`,
      goal: `< ${MOST_BLOCKED_MS} ms`,
      measured: `${digits(blocked)} ms`,
      reference: `bare better-sqlite3 ${digits(bareBlocked)} ms`,
      ratio: blocked / bareBlocked,
      goalRatio: MOST_BLOCKED_MS / bareBlocked,
      met: blocked < MOST_BLOCKED_MS,
    },
  ];
}

function median(all: Taken[], figure: keyof Taken): number {
  const sorted = all.map((taken) => taken[figure]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const inThousands = (perSecond: number): string => `${digits(perSecond / 1000)} k/s`;
