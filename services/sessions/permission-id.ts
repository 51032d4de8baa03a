import { createHash } from 'node:crypto';
import type { PermissionId } from '../../protocol/scalars.js';
import type { PermissionAsk } from '../ports/records.js';

/** Bytes of the digest that make an id: as many as a UUID has. */
const BYTES = 16;

/**
 * The id of a permission request. The tool call's own id will not do: some gateways begin to count anew with each
 * answer, and an answer that is meant for one request would decide another. A request is one line of one child, so the
 * same line read again, by whichever daemon, has the same id, and no other line ever has.
 */
export function permissionIdOf(
  { requestId }: Pick<PermissionAsk, 'requestId'>,
  line: { childId: string; offset: number } | undefined,
): PermissionId {
  const place = JSON.stringify([line?.childId, line?.offset, requestId]);
  const digest = createHash('sha256').update(place).digest().subarray(0, BYTES);
  return `perm_${digest.toString('base64url')}` as PermissionId;
}
