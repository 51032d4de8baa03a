import { createHash } from 'node:crypto';
import type { PermissionId } from '../../protocol/scalars.js';
import type { PermissionAsk } from '../ports/records.js';

/** Bytes of the digest used for an id: as many as in a UUID. */
const BYTES = 16;

/**
 * The id of a permission request. The tool call's own id is unsuitable: some gateways restart their numbering with each
 * response, and an answer to one request would decide another. A request is one line of one child, so rereading that
 * line, in any daemon, gives the same id, and no other line has it.
 */
export function permissionIdOf(
  { requestId }: Pick<PermissionAsk, 'requestId'>,
  line: { childId: string; offset: number } | undefined,
): PermissionId {
  const place = JSON.stringify([line?.childId, line?.offset, requestId]);
  const digest = createHash('sha256').update(place).digest().subarray(0, BYTES);
  return `perm_${digest.toString('base64url')}` as PermissionId;
}
