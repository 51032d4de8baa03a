/** The deleted files of a session. */
import { invalid } from '../../protocol/error-codes.js';
import { TRASH_ID, type TrashList } from '../../protocol/files.js';
import type { PageQuery } from '../../protocol/pages.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { FileTrash } from '../ports/workspace.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';

type Services = Pick<CommandServices, 'registry'> & { trash: FileTrash };

interface OfSession {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
}

/** A page of them, newest first. Rejects with `NOT_FOUND`, and with `INVALID_REQUEST` for a cursor of something else. */
export async function listTrash(
  services: Services,
  { caller, sessionId, limit, offset, cursor }: OfSession & PageQuery,
): Promise<TrashList> {
  sessionOf(services, caller, sessionId);
  if (cursor !== undefined && !TRASH_ID.test(cursor)) {
    throw invalid('cursor', 'must be the nextCursor of an earlier page');
  }
  const range = { sessionId, limit: limit + 1, offset: offset ?? 0, before: cursor };
  const { files, total } = await services.trash.list(range);
  const shown = files.slice(0, limit);
  const last = files.length > limit ? shown.at(-1) : undefined;
  return {
    files: shown.map(({ deletedAt, expiresAt, ...file }) => ({
      ...file,
      deletedAt: iso(deletedAt),
      expiresAt: iso(expiresAt),
    })),
    total,
    limit,
    ...(cursor === undefined && { offset: offset ?? 0 }),
    hasMore: last !== undefined,
    ...(last && { nextCursor: last.trashId }),
  };
}

const iso = (at: number): string => new Date(at).toISOString();

/** Removes one of them for ever. Rejects with `NOT_FOUND`. */
export async function emptyTrash(
  services: Services,
  { caller, sessionId, trashId }: OfSession & { trashId: string },
): Promise<{ path: string }> {
  sessionOf(services, caller, sessionId);
  const { path } = await services.trash.remove(sessionId, trashId);
  return { path };
}
