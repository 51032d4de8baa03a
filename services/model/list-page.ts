/** Pages of a list in memory, by offset or by cursor. */
import { invalid } from '../../protocol/error-codes.js';
import type { PageQuery } from '../../protocol/pages.js';

/** The place of an item in its list: by the number, highest first, then by the key. No two items have the same. */
export interface Place {
  number: number;
  key: string;
}

interface ListPage<Item> {
  items: Item[];
  page: { total: number; limit: number; offset?: number; hasMore: boolean; nextCursor?: string };
}

/**
 * The wanted part of a list. A cursor names the place of the last item that was shown: what is added or removed before
 * it shifts nothing. Throws `INVALID_REQUEST` for a cursor that was not given for a list of this `name`.
 */
export function pageOf<Item>(
  items: readonly Item[],
  { limit, offset, cursor, name, placeOf }: PageQuery & { name: string; placeOf: (item: Item) => Place },
): ListPage<Item> {
  const placed = items.map((item) => ({ item, place: placeOf(item) })).sort((a, b) => compare(a.place, b.place));
  const first = cursor === undefined ? (offset ?? 0) : firstBehind(placed, readCursor(cursor, name));
  const shown = placed.slice(first, first + limit);
  const last = first + limit < placed.length ? shown.at(-1) : undefined;
  return {
    items: shown.map(({ item }) => item),
    page: {
      total: items.length,
      limit,
      ...(cursor === undefined && { offset: offset ?? 0 }),
      hasMore: last !== undefined,
      ...(last && { nextCursor: writeCursor(last.place, name) }),
    },
  };
}

function firstBehind(placed: readonly { place: Place }[], behind: Place): number {
  const found = placed.findIndex(({ place }) => compare(place, behind) > 0);
  return found < 0 ? placed.length : found;
}

function compare(a: Place, b: Place): number {
  if (a.number !== b.number) return b.number - a.number;
  return a.key < b.key ? -1 : Number(a.key > b.key);
}

const writeCursor = ({ number, key }: Place, name: string): string =>
  Buffer.from(JSON.stringify([name, number, key])).toString('base64url');

function readCursor(cursor: string, name: string): Place {
  const place = placeIn(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (place && writeCursor(place, name) === cursor) return place;
  throw invalid('cursor', 'must be the nextCursor of an earlier page of this list');
}

function placeIn(text: string): Place | undefined {
  try {
    const [, number, key] = JSON.parse(text) as [unknown, unknown, unknown];
    return typeof number === 'number' && typeof key === 'string' ? { number, key } : undefined;
  } catch {
    // Any text can come as a cursor; the caller refuses what is none.
    return undefined;
  }
}
