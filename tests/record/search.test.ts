/** The search finds what a plain look at every text finds, whatever was written, removed, lost or damaged. */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { SessionId } from '../../protocol/scalars.js';
import { parseQuery } from '../../services/model/search-query.js';
import type { EventRecord, UserId } from '../../services/ports/records.js';
import type { SearchHit, SearchPage, SearchRequest } from '../../services/ports/search.js';
import { createTrim } from '../../services/record/retention/trim.js';
import { openRecordReader } from '../../services/record/search/record-reader.js';
import { SearchFile } from '../../services/record/search/search-file.js';
import { Extents } from '../../services/record/sqlite/extents.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { sessionRecord } from '../support/session-record.js';

const NOW = Date.UTC(2027, 0, 31);
const ANNA = 'anna' as UserId;
const BERT = 'bert' as UserId;

interface Stage {
  journal: ReturnType<typeof createSqliteJournal>;
  database: ReturnType<typeof openDatabase>;
  extents: Extents;
  index: SearchFile;
  indexPath: string;
}

let folder: string;
let stage: Stage;
let closers: (() => void | Promise<void>)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'search-'));
  closers = [];
  stage = open();
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true });
});

function open(): Stage {
  const path = join(folder, 'journal.db');
  const database = openDatabase(path);
  const extents = new Extents(database);
  const journal = createSqliteJournal({ database, bootId: 'boot', extents });
  closers.push(() => journal.close());
  const indexPath = join(folder, 'search.db');
  return { journal, database, extents, indexPath, index: openIndex(indexPath) };
}

function openIndex(path: string, awaitedMs = Number.POSITIVE_INFINITY): SearchFile {
  const reader = openRecordReader(join(folder, 'journal.db'));
  const index = new SearchFile({ path, record: reader, awaitedMs });
  closers.push(() => {
    index.close();
    reader.close();
  });
  return index;
}

interface Spoken {
  text: string;
  at?: number;
  /** The text of `systemInit` is its data. */
  type?: 'humanMessage' | 'assistantMessage' | 'toolResult' | 'systemInit';
  toolName?: string;
}

/** Appends what was said to a session. */
function say(name: string, spoken: readonly Spoken[], owner = ANNA): void {
  const sessionId = name as SessionId;
  const head = stage.extents.of(sessionId).head;
  const events = spoken.map((one, index): EventRecord => eventOf(head + index + 1, one));
  const record = { ...sessionRecord(name), sessionId, owner, directory: `/work/${name}` };
  stage.journal.commit({ record, events, prompts: [], permissions: [] });
}

function eventOf(seq: number, { text, at = NOW - 1000 + seq, type = 'assistantMessage', toolName = 'Bash' }: Spoken) {
  const messageId = `message-${seq}`;
  const content = [{ type: 'text', text }];
  const data = type === 'toolResult' ? { toolName, toolId: messageId, result: text } : { messageId, content };
  if (type === 'systemInit') return { seq, type, at, data: text };
  return { seq, type, at, data: JSON.stringify(data), ...(type !== 'toolResult' && { messageId }) };
}

const search = (q: string, rest: Partial<SearchRequest> = {}): SearchPage =>
  stage.index.search({ owner: ANNA, terms: parseQuery(q), limit: 50, now: NOW, ...rest });

const placeOf = ({ place }: SearchHit): string =>
  place.kind === 'session' ? `${place.sessionId} ${place.seq}` : place.claudeSessionId;
const found = (q: string, rest: Partial<SearchRequest> = {}): string[] => search(q, rest).hits.map(placeOf);

/** Each text in a session of its own. Returns the queries that find it. */
function foundBy(texts: readonly (readonly [text: string, q: string])[]): string[] {
  for (const [index, [text]] of texts.entries()) say(`s${index}`, [{ text }]);
  return texts.flatMap(([, q], index) => (found(q, { sessionId: `s${index}` as SessionId }).length > 0 ? q : []));
}

const FOUND_BY = [
  ['getUserName()', 'getusername'],
  ['getUserName()', 'getUserN*'],
  ['getUserName()', 'getusern*'],
  ['the get_user_name call', 'getUserName'],
  ['XMLHttpRequest2', 'http'],
  ['plain javascript', 'JavaScript'],
  ['src/routes/http/create-app.ts', 'create-app.ts'],
  ['src/routes/http/create-app.ts', '"http create"'],
  ['データベースの検索機能', '検索'],
  ['データベースの検索機能', 'データ*'],
  ['한국어를 검색', '한국'],
  ['Résumé naïve Ångström', 'resume ANGSTROM'],
  ['Re\u0301sume\u0301', 'Résumé'],
  ['Straße', 'STRASSE'],
  ['ΟΔΥΣΣΕΥΣ', 'οδυσσευς'],
  ['ＡＢＣ１２３', 'abc123'],
  ['ship it 🚀 now', '🚀'],
  ['run it with --force', '--force'],
  ['fish and chips', 'chips -cod'],
  ['say NOT OR AND NEAR(a b)', 'NEAR(a'],
  ['column said: x', 'said:'],
] as const;

const NOT_FOUND_BY = [
  ['getUserName()', 'usern'],
  ['データベースの検索機能', '検機'],
  ['chips and fish', '"fish and"'],
  ['fish and chips', 'fish -chip*'],
  ['fish and chips', 'fish -"and chips"'],
  ['fish and chips', 'fish cod'],
] as const;

describe('a text', () => {
  test('is found by its words, parts of identifiers, in any case, with or without accents', () => {
    expect(foundBy(FOUND_BY)).toEqual(FOUND_BY.map(([, q]) => q));
  });

  test('is not found by other words', () => {
    expect(foundBy(NOT_FOUND_BY)).toEqual([]);
  });
});

const UNITS = [
  'a',
  'b',
  ' ',
  '"',
  '*',
  '-',
  '(',
  ')',
  ':',
  '^',
  '+',
  '{',
  '}',
  ',',
  '\0',
  "'",
  'é',
  '検',
  '🚀',
  '_',
  'A',
  '1',
  '\ud800',
];

describe('a query', () => {
  test('of operators alone names the field and the rule', () => {
    for (const q of ['*', '- -', '""', '"" *', '-fish', '&& ||', '()', 'a*', '-"a b"']) {
      const details = expect.objectContaining({ field: 'q', rule: expect.stringMatching(/^must have/) });
      expect(() => parseQuery(q)).toThrow(expect.objectContaining({ details }));
    }
  });

  test('of any characters is answered or refused by its field, and breaks nothing', () => {
    say('one', [{ text: 'fish and "chips" * -x' }]);
    const outcome = (q: string): unknown => {
      try {
        return search(q).isComplete;
      } catch (error) {
        return (error as { details?: { field?: string } }).details?.field;
      }
    };
    const text = fc.string({ unit: fc.constantFrom(...UNITS), maxLength: 30 });
    fc.assert(fc.property(text, (q) => ['q', true].includes(outcome(q) as string)));
  });
});

/** Words as they are written, and as they are compared: the reference knows both, and not how one becomes the other. */
const WORDS: readonly (readonly [written: string, parts: readonly string[], whole: string])[] = [
  ['alpha', ['alpha'], 'alpha'],
  ['Alpha', ['alpha'], 'alpha'],
  ['beta', ['beta'], 'beta'],
  ['alphaBeta', ['alpha', 'beta'], 'alphabeta'],
  ['alpha_beta', ['alpha', 'beta'], 'alphabeta'],
  ['alphabeta', ['alphabeta'], 'alphabeta'],
  ['bêta', ['beta'], 'beta'],
  ['検索', ['検', '索'], ''],
  ['索', ['索'], ''],
  ['gamma', ['gamma'], 'gamma'],
];
type Word = (typeof WORDS)[number];

interface Asked {
  kind: 'word' | 'phrase' | 'prefix';
  words: readonly Word[];
}

const has = (text: readonly Word[], { kind, words }: Asked): boolean => {
  const parts = text.flatMap(([, ofWord]) => ofWord);
  const wanted = words.flatMap(([, ofWord]) => ofWord);
  const whole = words.length === 1 ? (words[0]?.[2] ?? '') : '';
  const fits = (one: string | undefined, other: string, isOpen: boolean) =>
    one !== undefined && (isOpen ? one.startsWith(other) : one === other);
  const isOpen = kind === 'prefix';
  const follows = parts.some((_, at) =>
    wanted.every((part, offset) => fits(parts[at + offset], part, isOpen && offset === wanted.length - 1)),
  );
  const asOne = [...parts, ...text.map(([, , one]) => one)].some((one) => one !== '' && fits(one, whole, isOpen));
  return follows || (whole !== '' && asOne);
};

const typed = ({ kind, words }: Asked): string => {
  const text = words.map(([written]) => written).join(' ');
  if (kind === 'phrase') return `"${text}"`;
  return kind === 'prefix' ? `${text}*` : text;
};

const word = fc.constantFrom(...WORDS);
const asked: fc.Arbitrary<Asked> = fc.oneof(
  fc.record({ kind: fc.constantFrom('word', 'prefix'), words: fc.tuple(word) }),
  fc.record({ kind: fc.constant('phrase'), words: fc.array(word, { minLength: 1, maxLength: 3 }) }),
);

describe('random texts', () => {
  test('are found exactly where a plain look finds them, in every order of pages', () => {
    const texts = fc.sample(fc.array(word, { minLength: 1, maxLength: 8 }), { numRuns: 200, seed: 7 });
    const spoken = texts.map((text, index) => ({ text, owner: index % 3 === 0 ? BERT : ANNA, name: `s${index % 5}` }));
    const seqs = new Map<string, number>();
    const placed = spoken.map(({ text, owner, name }, index) => {
      const session = `${owner}-${name}`;
      const seq = (seqs.get(session) ?? 0) + 1;
      seqs.set(session, seq);
      say(session, [{ text: text.map(([written]) => written).join(' '), at: NOW - (index % 40) * 86_400_000 }], owner);
      return { place: `${session} ${seq}`, text, owner };
    });
    const query = fc.record({
      all: fc.array(asked, { minLength: 1, maxLength: 3 }),
      none: fc.array(asked, { maxLength: 2 }),
      limit: fc.constantFrom(9, 200),
      owner: fc.constantFrom(ANNA, BERT),
    });
    fc.assert(
      fc.property(query, ({ all, none, limit, owner }) => {
        const q = [...all.map(typed), ...none.map((one) => `-${typed(one)}`)].join(' ');
        const isMeant = (text: readonly Word[]) =>
          all.every((one) => has(text, one)) && !none.some((one) => has(text, one));
        const wanted = placed.filter((one) => one.owner === owner && isMeant(one.text)).map(({ place }) => place);
        expect({ q, found: pages(q, { limit, owner }).toSorted() }).toEqual({ q, found: wanted.toSorted() });
      }),
      { numRuns: 60 },
    );
  });

  /** All pages, by cursor; at most 1,000. */
  function pages(q: string, rest: Partial<SearchRequest>): string[] {
    const all: string[] = [];
    let cursor: string | undefined;
    for (let turn = 0; turn < 1000; turn += 1) {
      const page = search(q, { ...rest, cursor });
      all.push(...page.hits.map(placeOf));
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    return all;
  }
});

describe('the order', () => {
  test('is by relevance and recency, and the same in pages while more is said', () => {
    const DAY = 86_400_000;
    say('one', [
      { text: 'fish fish fish', at: NOW - 200 * DAY },
      { text: `fish ${'and more '.repeat(200)}`, at: NOW - 2 },
      { text: 'fish', at: NOW - 1 },
    ]);
    expect(found('fish')).toEqual(['one 3', 'one 1', 'one 2']);
    const first = search('fish', { limit: 1 });
    say('one', [{ text: 'fish fish', at: NOW }]);
    const rest = search('fish', { limit: 50, cursor: first.nextCursor, now: NOW + 90 * DAY });
    expect([...first.hits, ...rest.hits].map(placeOf).filter((place) => place !== 'one 4')).toEqual([
      'one 3',
      'one 1',
      'one 2',
    ]);
  });

  test('goes on through more matches than are compared with each other', () => {
    say(
      'one',
      Array.from({ length: 700 }, (_, index) => ({ text: `fish ${index}` })),
    );
    const all: string[] = [];
    let cursor: string | undefined;
    do {
      const page = search('fish', { limit: 200, cursor });
      all.push(...page.hits.map(placeOf));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(new Set(all).size).toBe(700);
    expect(all).toHaveLength(700);
  });

  test('a cursor is of one search', () => {
    say('one', [{ text: 'fish' }, { text: 'fish' }]);
    const { nextCursor } = search('fish', { limit: 1 });
    for (const cursor of [nextCursor ?? '', 'x', Buffer.from('[1]').toString('base64url')]) {
      const refused = expect.objectContaining({ details: expect.objectContaining({ field: 'cursor' }) });
      expect(() => search('fish -chips', { cursor })).toThrow(refused);
    }
  });
});

describe('filters', () => {
  test('choose by session, directory, role, tool and time', () => {
    say('one', [
      { text: 'fish', type: 'humanMessage', at: NOW - 3000 },
      { text: 'fish', at: NOW - 2000 },
      { text: 'fish', type: 'toolResult', toolName: 'Bash', at: NOW - 1000 },
    ]);
    say('two', [{ text: 'fish', type: 'toolResult', toolName: 'Read', at: NOW }]);
    const sorted = (rest: Partial<SearchRequest>) => found('fish', rest).toSorted();
    expect(sorted({})).toEqual(['one 1', 'one 2', 'one 3', 'two 1']);
    expect(sorted({ sessionId: 'two' as SessionId })).toEqual(['two 1']);
    expect(sorted({ project: '/work/one' })).toEqual(['one 1', 'one 2', 'one 3']);
    expect(sorted({ role: 'user' })).toEqual(['one 1']);
    expect(sorted({ tool: 'bash' })).toEqual(['one 3']);
    expect(sorted({ since: NOW - 2000, until: NOW })).toEqual(['one 2', 'one 3']);
    expect(sorted({ owner: BERT })).toEqual([]);
    expect(sorted({ owner: BERT, sessionId: 'one' as SessionId })).toEqual([]);
  });
});

describe('what is removed', () => {
  test('is gone from the index at once, when a session is forgotten or its oldest events are removed', async () => {
    say('one', [{ text: 'fish' }, { text: 'fish' }]);
    say('two', [{ text: 'fish' }]);
    expect(found('fish')).toHaveLength(3);
    const { database, extents } = stage;
    const limits = { days: 1e6, events: 1, bytes: 1e9 };
    createTrim({ database, extents, limits })('one' as SessionId, NOW);
    expect(found('fish').toSorted()).toEqual(['one 2', 'two 1']);
    await stage.journal.forget('two' as SessionId);
    expect(found('fish')).toEqual(['one 2']);
  });
});

describe('a conversation of a terminal', () => {
  const outside = { claudeSessionId: 'desk', directory: '/work/desk', stamp: '1' };
  const told = (text: string, at: number, messageId?: string) => ({
    role: 'user' as const,
    text,
    at,
    ...(messageId !== undefined && { messageId }),
  });
  const take = (said: readonly ReturnType<typeof told>[]) => {
    stage.index.addOutside(ANNA, { conversation: outside, said, isFirst: true });
    stage.index.addOutside(ANNA, { conversation: outside, said: [], isFirst: false });
  };

  test('is found by its person until it is gone, and taken again when it has changed', () => {
    expect(stage.index.pendingOutside(ANNA, [outside])).toEqual(['desk']);
    take([told('fish at the desk', NOW)]);
    expect(stage.index.pendingOutside(ANNA, [outside])).toEqual([]);
    expect(search('fish').hits).toMatchObject([{ place: { kind: 'terminal', claudeSessionId: 'desk' }, at: NOW }]);
    expect(found('fish', { owner: BERT })).toEqual([]);
    expect(stage.index.pendingOutside(ANNA, [{ ...outside, stamp: '2' }])).toEqual(['desk']);
    take([told('chips', NOW)]);
    expect([found('fish'), found('chips')]).toEqual([[], ['desk']]);
    expect(stage.index.pendingOutside(ANNA, [])).toEqual([]);
    expect(found('chips')).toEqual([]);
  });

  test('waits for the index, which no search and no conversation waits for in vain', () => {
    say(
      'long',
      Array.from({ length: 300 }, () => ({ text: 'fish' })),
    );
    const index = openIndex(join(folder, 'late.db'), 0);
    expect(index.pendingOutside(ANNA, [outside])).toBeUndefined();
    expect(index.search({ owner: ANNA, terms: parseQuery('fish'), limit: 1, now: NOW }).isComplete).toBe(false);
    expect(index.follow(Number.POSITIVE_INFINITY)).toBe(true);
    expect(index.pendingOutside(ANNA, [outside])).toEqual(['desk']);
  });

  test('that was left in the middle is taken again', () => {
    stage.index.addOutside(ANNA, { conversation: outside, said: [told('fish', NOW)], isFirst: true });
    expect(stage.index.pendingOutside(ANNA, [outside])).toEqual(['desk']);
  });

  test('has only what the record does not have, when a session holds it', () => {
    say('one', [{ text: 'fish' }]);
    const init = { claudeSessionId: 'desk' };
    say('one', [{ text: JSON.stringify(init), type: 'systemInit', at: NOW }]);
    expect(stage.index.pendingOutside(ANNA, [outside])).toEqual(['desk']);
    take([told('fish before', NOW - 9000), told('fish', NOW - 8000, 'message-1'), told('fish after', NOW)]);
    expect(found('fish').toSorted()).toEqual(['desk', 'one 1']);
    expect(stage.index.pendingOutside(ANNA, [{ ...outside, stamp: '2' }])).toEqual([]);
  });

  test('is gone with the session that held it, and does not come back', async () => {
    take([told('fish', NOW)]);
    say('one', [{ text: JSON.stringify({ claudeSessionId: 'desk' }), type: 'systemInit', at: NOW }]);
    expect(found('fish')).toEqual([]);
    take([told('fish', NOW - 1)]);
    expect(found('fish')).toEqual(['desk']);
    await stage.journal.forget('one' as SessionId);
    expect(found('fish')).toEqual([]);
    take([told('fish', NOW - 1)]);
    expect(found('fish')).toEqual([]);
    stage.index.forget('two', 'other');
    stage.index.addOutside(ANNA, {
      conversation: { ...outside, claudeSessionId: 'other' },
      said: [told('fish', 1)],
      isFirst: true,
    });
    expect(found('fish')).toEqual([]);
  });
});

describe('an index', () => {
  const fill = () => {
    say(
      'one',
      Array.from({ length: 2200 }, (_, index) => ({ text: `fish number ${index} ${'word '.repeat(5)}` })),
    );
    while (!stage.index.follow(1000));
  };

  const DAMAGES: Record<string, (path: string) => void> = {
    lost: (path) => {
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    },
    emptied: (path) => truncateSync(path),
    'cut in half': (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    'replaced by a folder': (path) => {
      rmSync(path);
      mkdirSync(join(path, 'inner'), { recursive: true });
    },
    'replaced by a text': (path) => writeFileSync(path, 'no database '.repeat(1000)),
    'overwritten in the middle': (path) => {
      const file = openSync(path, 'r+');
      writeSync(file, Buffer.alloc(statSync(path).size - 8192, 7), 0, undefined, 8192);
      closeSync(file);
    },
  };

  test.each(Object.keys(DAMAGES))('that is %s is filled again while it serves', (damage) => {
    fill();
    stage.index.close();
    DAMAGES[damage]?.(stage.indexPath);
    // More than a search waits for: it answers with what is there.
    expect(search('fish number')).toMatchObject({ isComplete: false });
    while (!stage.index.follow(1000));
    expect(search('"number 2199"')).toMatchObject({ isComplete: true, hits: [{ directory: '/work/one' }] });
    expect(found('"number 2"')).toEqual(['one 3']);
  });

  test('that was left in the middle is filled from there', () => {
    fill();
    say('one', [{ text: 'later' }]);
    stage.index.close();
    stage.index = openIndex(stage.indexPath);
    expect(found('later')).toEqual(['one 2201']);
    expect(found('"number 7"')).toEqual(['one 8']);
  });
});

describe('a snippet', () => {
  test('has the words in it, at the places that it names, and is as it was said', () => {
    say('one', [{ text: `${'start '.repeat(50)}<script>alert("fish")</script> 🚀${' end'.repeat(100)}` }]);
    const [hit] = search('fish alert').hits;
    const { text = '', marks = [] } = hit?.snippet ?? {};
    expect(marks.map(({ from, to }) => text.slice(from, to))).toEqual(['alert', 'fish']);
    expect(text).toContain('<script>alert("fish")</script>');
    expect(text.startsWith('…')).toBe(true);
    expect(text.length).toBeLessThan(260);
    expect(Buffer.from(text).toString()).toBe(text);
  });

  test('of a long phrase has as much of it as there is room for', () => {
    const phrase = 'fish and chips '.repeat(30).trim();
    say('one', [{ text: phrase }]);
    const [hit] = search(`"${phrase}"`).hits;
    expect(hit?.snippet.marks).toEqual([{ from: 0, to: 240 }]);
  });
});
