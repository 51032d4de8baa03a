/** Finds what was said: the newest matches first, in blocks, and within a block by relevance and recency. */

import type { SessionId } from '../../../protocol/scalars.js';
import { findTerm } from '../../model/search-query.js';
import { type Token, tokensOf } from '../../model/search-words.js';
import type { Said, SearchHit, SearchRequest, Term } from '../../ports/search.js';
import { saidIn } from './event-text.js';
import { type DocumentRow, IDS_PER_MS, type IndexFile, type SourceRow, timeOf } from './index-file.js';
import { matchExpression } from './match-expression.js';
import type { RecordReader } from './record-reader.js';
import { readCursor, type SearchPlace, writeCursor } from './search-cursor.js';
import { snippetOf } from './snippet.js';
import { tagsOf } from './tags.js';

/** The index has something that is not in the record. */
export class IndexDamaged extends Error {}

/** Matches that are compared with each other. */
const BLOCK = 120;
/** UTF-16 units of text after which a block ends: reading them takes most of the time of a search. */
const BLOCK_UNITS = 1024 * 1024;
/** Ids are below this. */
const NO_TOP = Number.MAX_SAFE_INTEGER;

interface Match {
  document: DocumentRow;
  source: SourceRow;
  said: Said;
  tokens: Token[];
  score: number;
}

interface Block {
  matches: Match[];
  bottom: number;
  /** There can be older ones. */
  mayFollow: boolean;
}

interface Found {
  hits: SearchHit[];
  nextCursor?: string;
}

/** Throws what SQLite throws, `RecordUnreadable`, `IndexDamaged`, and `INVALID_REQUEST` for the cursor. */
export type Find = (request: SearchRequest) => Found;

export function prepareFind(record: RecordReader, { database }: IndexFile): Find {
  const sourceOf = database
    .prepare<[string, string], number>(`SELECT source FROM sources WHERE kind = 'session' AND key = ? AND owner = ?`)
    .pluck();
  const readBlock = prepareBlocks(record, database);
  return (request) => {
    const { cursor, sessionId, owner, limit, terms } = request;
    const place = cursor === undefined ? undefined : readCursor(request, cursor);
    const source = sessionId === undefined ? undefined : sourceOf.get(sessionId, owner);
    if (sessionId !== undefined && source === undefined) return { hits: [] };
    const expression = expressionOf(request, source);
    const now = place?.now ?? request.now;
    const matches = collect((span) => readBlock({ request: { ...request, now }, expression, ...span }), place, limit);
    const shown = matches.slice(0, limit);
    const last = matches.length > limit ? shown.at(-1) : undefined;
    return {
      hits: shown.map((match) => hitOf(match, terms.all)),
      ...(last && { nextCursor: writeCursor(request, { now, ...last, id: last.document.id }) }),
    };
  };
}

/** Ids: those of a block are below `top`, and not below `bottom`, which is 0 where its end is not known yet. */
type BlockSpan = Pick<SearchPlace, 'top' | 'bottom'>;

/** The matches behind a place, block after block: one more than the limit, or all. */
function collect(readBlock: (span: BlockSpan) => Block, place: SearchPlace | undefined, limit: number) {
  const matches: (Match & BlockSpan)[] = [];
  let span: BlockSpan = { top: place?.top ?? NO_TOP, bottom: place?.bottom ?? 0 };
  for (let from = place; ; from = undefined) {
    const { matches: found, bottom, mayFollow } = readBlock(span);
    const { top } = span;
    const behind = found.filter((match) => !from || isBehind(match, from));
    matches.push(...behind.map((match) => ({ ...match, top, bottom })));
    if (!mayFollow || matches.length > limit) return matches;
    span = { top: bottom, bottom: 0 };
  }
}

function expressionOf({ terms, owner, project, role, tool }: SearchRequest, source: number | undefined): string {
  return matchExpression(terms, tagsOf({ owner, source, directory: project, role, toolName: tool }));
}

/** By score, then the newer first. */
const compare = (one: Match, other: Match): number => other.score - one.score || other.document.id - one.document.id;

const isBehind = ({ score, document }: Match, place: SearchPlace): boolean =>
  score < place.score || (score === place.score && document.id < place.id);

interface BlockRequest extends BlockSpan {
  request: SearchRequest;
  expression: string;
}

type Candidate = DocumentRow & SourceRow;

function prepareBlocks(record: RecordReader, database: IndexFile['database']): (block: BlockRequest) => Block {
  const ids = database
    .prepare<[object], number>(
      `SELECT rowid FROM words WHERE words MATCH @expression AND rowid < @top AND rowid >= @bottom
       ORDER BY rowid DESC LIMIT ${BLOCK + 1}`,
    )
    .pluck();
  const read = prepareRead(record, database);
  return ({ request, expression, top, bottom }) => {
    const { since = 0, until = Number.POSITIVE_INFINITY } = request;
    const within = {
      top: BigInt(Math.min(top, until * IDS_PER_MS)),
      bottom: BigInt(Math.max(bottom, since * IDS_PER_MS)),
    };
    const found = ids.all({ expression, ...within });
    const matches: Match[] = [];
    let [units, end] = [0, 0];
    while (end < Math.min(found.length, BLOCK) && units <= BLOCK_UNITS) {
      const one = read(found[end] ?? 0);
      end += 1;
      // It was removed, and its words will be.
      if (!one) continue;
      matches.push(matchOf(one, request));
      units += one.said.text.length;
    }
    const isCut = end < found.length;
    return {
      matches: matches.sort(compare),
      bottom: isCut ? (found[end - 1] ?? bottom) : bottom,
      mayFollow: isCut || bottom > 0,
    };
  };
}

function prepareRead(record: RecordReader, database: IndexFile['database']) {
  const select = database.prepare<[number], Candidate>(
    'SELECT * FROM sources JOIN documents USING (source) WHERE id = ?',
  );
  return (id: number): Omit<Match, 'tokens' | 'score'> | undefined => {
    const document = select.get(id);
    const said = document && saidOf(record, document);
    return said && { document, source: document, said };
  };
}

function saidOf(record: RecordReader, { said, seq, key }: Candidate): Said | undefined {
  if (said !== null) return JSON.parse(said) as Said;
  const event = record.event(key, seq);
  return event && saidIn(event.type, event.data);
}

/** How much a repeated word adds, and how long texts are, as in BM25. */
const SATURATION = 1.2;
const LENGTH_WEIGHT = 0.75;
const USUAL_TOKENS = 100;
/** What was said is worth half as much after this time, down to a part of it. */
const HALF_LIFE_MS = 30 * 86_400_000;
const LEAST = 0.4;

/**
 * As BM25 without the rarity of words: all of them are in each match. Throws `IndexDamaged` when one is not, which the
 * index alone has.
 */
function matchOf(match: Omit<Match, 'tokens' | 'score'>, { terms, now }: SearchRequest): Match {
  const tokens = tokensOf(match.said.text);
  const share = SATURATION * (1 - LENGTH_WEIGHT + (LENGTH_WEIGHT * tokens.length) / USUAL_TOKENS);
  let score = 0;
  for (const term of terms.all) {
    const count = findTerm(tokens, term).length;
    if (count === 0) throw new IndexDamaged('a match does not have the words');
    score += (count * (SATURATION + 1)) / (count + share);
  }
  const age = Math.max(0, now - timeOf(match.document.id));
  return { ...match, tokens, score: score * (LEAST + (1 - LEAST) * 0.5 ** (age / HALF_LIFE_MS)) };
}

function hitOf({ document, source, said, tokens }: Match, terms: readonly Term[]): SearchHit {
  const { role, text, toolName, messageId, toolId } = said;
  const { key, kind, directory } = source;
  return {
    place:
      kind === 'session' ? { kind, sessionId: key as SessionId, seq: document.seq } : { kind, claudeSessionId: key },
    directory,
    role,
    ...(toolName !== undefined && { toolName }),
    ...(messageId !== undefined && { messageId }),
    ...(toolId !== undefined && { toolId }),
    at: timeOf(document.id),
    snippet: snippetOf(text, tokens, terms),
  };
}
