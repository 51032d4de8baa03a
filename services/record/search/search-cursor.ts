import { createHash } from 'node:crypto';
import { invalid } from '../../../protocol/error-codes.js';
import type { SearchRequest } from '../../ports/search.js';

/** Where the next page of a search begins: in a block of matches, behind the hit with this score and id. */
export interface SearchPlace {
  /** Epoch milliseconds, of the first page: recency counts from there. */
  now: number;
  /** Ids of the block, exclusive. */
  top: number;
  /** Its smallest id. */
  bottom: number;
  score: number;
  id: number;
}

export const writeCursor = (request: SearchRequest, { now, top, bottom, score, id }: SearchPlace): string =>
  Buffer.from(JSON.stringify([digestOf(request), now, top, bottom, score, id])).toString('base64url');

/** Throws `INVALID_REQUEST` for anything that was not given as the cursor of this search. */
export function readCursor(request: SearchRequest, cursor: string): SearchPlace {
  const [digest, ...numbers] = partsIn(Buffer.from(cursor, 'base64url').toString('utf8'));
  const [now, top, bottom, score, id] = numbers;
  const isWhole = [now, top, bottom, score, id].every((number) => typeof number === 'number');
  const place = { now, top, bottom, score, id } as SearchPlace;
  if (isWhole && digest === digestOf(request) && writeCursor(request, place) === cursor) return place;
  throw invalid('cursor', 'must be the nextCursor of an earlier page of this search');
}

function partsIn(text: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(text);
    return Array.isArray(parts) ? parts : [];
  } catch {
    // Any text can come as a cursor; the caller refuses what is none.
    return [];
  }
}

const DIGEST_UNITS = 16;

/** All that chooses the hits. */
function digestOf({ owner, terms, sessionId, project, role, tool, since, until }: SearchRequest): string {
  const chosen = JSON.stringify([owner, terms, sessionId, project, role, tool, since, until]);
  return createHash('sha256').update(chosen).digest('hex').slice(0, DIGEST_UNITS);
}
