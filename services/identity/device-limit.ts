import { CompanionError } from '../../protocol/error-codes.js';
import type { UserId } from '../ports/records.js';
import type { DeviceEntry, RegistryData } from './registry-file.js';

/** Per person; a higher number is a mistake. */
const MAX_DEVICES = 100;

/** Makes room for one more device of a person by removing revoked ones, the oldest first. Throws `CONFLICT`. */
export function makeRoom(data: RegistryData, userId: UserId): void {
  if (dropOldestOut(data, userId)) return;
  const suggestion = 'Revoke devices that are not used any more.';
  throw new CompanionError('CONFLICT', `A person has at most ${MAX_DEVICES} devices.`, { suggestion });
}

/** At the person's limit, removes the device that was revoked first. False when there is none. */
export function dropOldestOut(data: RegistryData, userId: UserId): boolean {
  const theirs = data.devices.filter((entry) => entry.userId === userId);
  if (theirs.length < MAX_DEVICES) return true;
  const [oldest] = theirs.filter(isOut).sort((one, other) => outSince(one) - outSince(other));
  if (oldest) data.devices = data.devices.filter((entry) => entry !== oldest);
  return oldest !== undefined;
}

const isOut = ({ revoked, push }: DeviceEntry): boolean => revoked !== undefined && push === undefined;

const outSince = ({ revoked }: DeviceEntry): number => revoked?.at ?? 0;
