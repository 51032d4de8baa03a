/** One change of many sessions. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { Bulk, BulkResult, PatchSession } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Caller, CommandServices } from './command-context.js';
import { changeSession, closeSession, interruptTurn } from './session.js';

const CHANGES: Partial<Record<Bulk['action'], PatchSession>> = {
  archive: { archived: true },
  unarchive: { archived: false },
  pin: { pinned: true },
  unpin: { pinned: false },
};

/**
 * Changes each of these sessions as the request for a single one does. Resolves with what became of each: an expected
 * failure of one leaves the others as they are. Rejects with any other failure.
 */
export async function changeSessions(
  services: CommandServices,
  { caller, ids, action }: Bulk & { caller: Caller },
): Promise<BulkResult> {
  const results = await Promise.all(ids.map((id) => resultOf(id, change(services, { caller, sessionId: id, action }))));
  const succeeded = results.filter(({ success }) => success).length;
  return { results, succeeded, failed: results.length - succeeded };
}

async function resultOf(id: SessionId, changed: Promise<void>): Promise<BulkResult['results'][number]> {
  try {
    await changed;
    return { id, success: true };
  } catch (error) {
    if (!(error instanceof CompanionError)) throw error;
    return { id, success: false, error: { code: error.code, message: error.message } };
  }
}

interface Change {
  caller: Caller;
  sessionId: SessionId;
  action: Bulk['action'];
}

async function change(services: CommandServices, { action, ...of }: Change): Promise<void> {
  const changes = CHANGES[action];
  const done = () => {};
  if (changes) return changeSession(services, { ...of, changes }, done);
  if (action === 'interrupt') return interruptTurn(services, of, done);
  return closeSession(services, { ...of, reason: 'deleted', purge: action === 'purge' }, done);
}
