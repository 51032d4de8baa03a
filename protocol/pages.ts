/** Pages of lists, by offset or by cursor: both see the same order. */
import * as z from 'zod';

const MAX_PAGE = 200;
const PAGE = 50;
/** A cursor can contain a path. */
const MAX_CURSOR = 6000;

/** What a list takes. `refine` it with `notBoth`. */
export const pageFields = {
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(PAGE),
  offset: z.coerce.number().int().min(0).optional(),
  cursor: z.string().min(1).max(MAX_CURSOR).optional().describe('`nextCursor` of the page before.'),
};

export interface PageQuery {
  limit: number;
  offset?: number | undefined;
  cursor?: string | undefined;
}

export const notBoth = ({ offset, cursor }: PageQuery): boolean => offset === undefined || cursor === undefined;
export const NOT_BOTH = { path: ['cursor'], error: 'must not be given with offset' };

/** The query of a list that takes nothing else. */
export const pageSchema = z.object(pageFields).refine(notBoth, NOT_BOTH);

/** The fields of a page beside its items. */
export const pageShape = {
  total: z.int().describe('Of the whole list.'),
  limit: z.int(),
  offset: z.int().optional().describe('Absent with a cursor.'),
  hasMore: z.boolean(),
  nextCursor: z.string().optional().describe('Absent on the last page.'),
};
