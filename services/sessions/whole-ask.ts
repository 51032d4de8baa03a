/** Permission requests too large for memory: the event has the whole request, and is kept until it is answered. */
import { cutData } from '../../protocol/bounded-data.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { MAX_EVENT_DATA_BYTES } from '../../protocol/limits.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { PermissionAsk, PermissionRecord } from '../ports/records.js';
import { isDenial } from './permission-requests.js';
import { grantOf } from './remembered-grants.js';

/** The shortened request, and where the whole is. The grant for "always" is not cut. */
export function cutAsk(ask: PermissionAsk, wholeAt: number): PermissionAsk {
  const { suggestions, ...shown } = ask;
  const { truncated: _, ...cut } = JSON.parse(cutData(shown, MAX_EVENT_DATA_BYTES)) as PermissionAsk & {
    truncated: true;
  };
  const { requestId, toolUseId, toolName } = ask;
  return { ...cut, requestId, toolUseId, toolName, wholeAt, ...(suggestions && grantOf(ask) && { suggestions }) };
}

type Reader = Pick<Journal, 'findEvent' | 'blobs'>;

/** The whole request. Rejects with `NOT_FOUND` when it is no longer on the disk, unless it is denied. */
export async function readAsked(
  { ask, sessionId }: PermissionRecord,
  { response }: { response: string },
  journal: Reader,
): Promise<PermissionAsk> {
  const { wholeAt, ...known } = ask;
  if (wholeAt === undefined) return ask;
  const input = await readInput(journal, sessionId, wholeAt);
  if (input === undefined && isDenial(response)) return ask;
  if (input === undefined) {
    throw new CompanionError('NOT_FOUND', 'What Claude asks for is gone from the disk: it can only be denied.');
  }
  if (known.plan !== undefined) delete input.plan;
  return { ...known, input };
}

/** The form shown to clients. Undefined when it is gone. */
async function readInput(
  { findEvent, blobs }: Reader,
  sessionId: SessionId,
  seq: number,
): Promise<Record<string, unknown> | undefined> {
  const event = await findEvent(sessionId, seq);
  if (!event?.blob) return undefined;
  try {
    const { toolInput } = JSON.parse((await blobs.read(event.blob)).toString()) as {
      toolInput: Record<string, unknown>;
    };
    return toolInput;
  } catch (error) {
    if (error instanceof CompanionError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
