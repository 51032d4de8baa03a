/** Searches in a long record, and what the index costs the commits of the record. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseQuery } from '../services/model/search-query.js';
import type { EventRecord, UserId } from '../services/ports/records.js';
import { openJournal } from '../services/record/open-journal.js';
import { openRecordReader } from '../services/record/search/record-reader.js';
import { SearchFile } from '../services/record/search/search-file.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import type { Row } from './support/table.js';
import { newSessionId, recordOf } from './support/written-journal.js';

const MESSAGES = 1_000_000;
const QUICK_MESSAGES = 100_000;
const MOST_P99_MS = 200;
const QUICK_MOST_P99_MS = 50;
const SESSIONS = 100;
const EVENTS_IN_COMMIT = 500;
const VOCABULARY = 20_000;
const WORDS = 60;
const SEARCHES = 300;
const COMMITS = 3000;
const MOST_COST = 1.1;
const OWNER = 'bench' as UserId;
const SLICE_MS = 1000;

/** Few words are frequent, as in any language. */
const wordOf = (share: number): string => `w${Math.floor(VOCABULARY * share ** 4).toString(36)}x`;
const textOf = (): string => Array.from({ length: WORDS }, () => wordOf(Math.random())).join(' ');

function spokenAt(seq: number, at: number): EventRecord {
  const messageId = `m${seq}`;
  const data = JSON.stringify({ messageId, blockIndex: 0, content: [{ type: 'text', text: textOf() }] });
  return { seq, type: 'assistantMessage', at, data, messageId };
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const open = (folder: string, searchScript?: string) =>
  openJournal({
    path: join(folder, 'journal.db'),
    bootId: 'bench',
    log: silent,
    onDamage: () => {},
    checkpointScript: resolve('dist/server/checkpoint-worker.js'),
    ...(searchScript !== undefined && { searchScript }),
  });

/** A word that is in most texts, usual ones, rare ones, phrases, beginnings and exclusions. */
function query(round: number): string {
  const [one, other] = [wordOf(Math.random()), wordOf(Math.random())];
  return (
    [wordOf(0), one, `${one} ${other}`, `"${one} ${other}"`, `${one.slice(0, 3)}*`, `${one} -${other}`][round % 6] ??
    one
  );
}

async function write(folder: string, messages: number): Promise<void> {
  const { journal } = open(folder);
  const each = messages / SESSIONS;
  for (let session = 0; session < SESSIONS; session += 1) {
    const record = recordOf({ sessionId: newSessionId(), owner: OWNER, directory: folder });
    const began = Date.now() - (SESSIONS - session) * 86_400_000;
    for (let seq = 1; seq <= each; seq += EVENTS_IN_COMMIT) {
      const length = Math.min(EVENTS_IN_COMMIT, each - seq + 1);
      const events = Array.from({ length }, (_, index) => spokenAt(seq + index, began + (seq + index) * 1000));
      journal.commit({ record, events, prompts: [], permissions: [] });
    }
  }
  await journal.close();
}

interface Searched {
  perEventUs: number;
  times: number[];
}

function searchIn(folder: string, messages: number): Searched {
  const reader = openRecordReader(join(folder, 'journal.db'));
  const index = new SearchFile({ path: join(folder, 'search.db'), record: reader });
  const began = now();
  while (!index.follow(SLICE_MS));
  const perEventUs = ((now() - began) * 1000) / messages;
  const times: number[] = [];
  for (let round = 0; round < SEARCHES; round += 1) {
    const terms = parseQuery(query(round));
    const at = now();
    index.search({ owner: OWNER, terms, limit: 50, now: Date.now() });
    times.push(now() - at);
  }
  index.close();
  reader.close();
  return { perEventUs, times };
}

/** How long commits take, each of one event, while a search has started the thread, or without a search. */
async function commitTimes(searchScript?: string): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-commits-'));
  const { journal, search } = open(folder, searchScript);
  const record = recordOf({ sessionId: newSessionId(), owner: OWNER, directory: folder });
  const times: number[] = [];
  if (searchScript !== undefined) await search.search({ owner: OWNER, terms: parseQuery('any'), limit: 1, now: 0 });
  for (let seq = 1; seq <= COMMITS; seq += 1) {
    const change = { record, events: [spokenAt(seq, Date.now())], prompts: [], permissions: [] };
    const began = now();
    journal.commit(change);
    times.push(now() - began);
    // As in a daemon: timers and answers of threads have their turn.
    if (seq % 10 === 0) await new Promise(setImmediate);
  }
  await journal.close();
  rmSync(folder, { recursive: true });
  return times;
}

export const search: Bench = {
  name: 'search',
  run: async ({ quick }) => {
    const messages = quick ? QUICK_MESSAGES : MESSAGES;
    const most = quick ? QUICK_MOST_P99_MS : MOST_P99_MS;
    const folder = mkdtempSync(join(tmpdir(), 'bench-search-'));
    try {
      await write(folder, messages);
      const { perEventUs, times } = searchIn(folder, messages);
      const found = distributionOf(times);
      const alone = distributionOf(await commitTimes());
      const indexed = distributionOf(await commitTimes(resolve('dist/server/search-worker.js')));
      const cost = indexed.p50 / alone.p50;
      return [
        {
          figure: `search in ${messages.toLocaleString('en')} messages, p99`,
          goal: `< ${most} ms`,
          measured: inMs(found),
          reference: `the index takes ${digits(perEventUs)} µs for each message, in its thread`,
          met: found.p99 < most,
        },
        {
          figure: 'commit of an event with the search, p50',
          goal: `≤ ${MOST_COST} ×`,
          measured: inMs(indexed),
          reference: `${inMs(alone)} without`,
          ratio: cost,
          met: cost <= MOST_COST,
        },
      ] satisfies Row[];
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
