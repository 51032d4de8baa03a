import { invalid } from '../../protocol/error-codes.js';

/** The cursor behind the item with this number, which counts in an epoch of the journal. */
export const nextCursor = (number: number, epoch: string): string =>
  Buffer.from(`${epoch} ${number}`).toString('base64url');

/** The number in a cursor. Throws `INVALID_REQUEST` for anything that was not given as one in this epoch. */
export function readCursor(cursor: string, epoch: string): number {
  const [of, number = '', ...more] = Buffer.from(cursor, 'base64url').toString('utf8').split(' ');
  const isOurs = more.length === 0 && /^\d{1,15}$/.test(number) && nextCursor(Number(number), of ?? '') === cursor;
  if (!isOurs) throw invalid('cursor', 'must be the nextCursor of an earlier page');
  if (of !== epoch) throw invalid('cursor', 'must be of this journal: it was repaired or replaced; begin again');
  return Number(number);
}
