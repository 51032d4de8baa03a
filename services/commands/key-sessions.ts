/** How many sessions a key has open. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { Caller, CommandServices } from './command-context.js';

const RETRY_MS = 5000;

export interface Opener {
  openedBy: string;
  /** Throws `RATE_LIMITED` when the key has as many sessions open as it may have. */
  requireMore(): void;
}

/** Runs an opening for its caller; without an opener where the caller is no key that may only have some sessions open. */
export function asOpener<Result>(
  { registry }: Pick<CommandServices, 'registry'>,
  { key, device }: Pick<Caller, 'key' | 'device'>,
  open: (opener: Opener | undefined) => Promise<Result>,
): Promise<Result> {
  const { keyId, limits: { sessions: most } = {} } = key ?? {};
  if (keyId === undefined || most === undefined) return open(undefined);
  const requireMore = () => {
    const records = registry.owned(device.userId).map(({ state }) => state.record);
    const theirs = records.filter(({ openedBy, closed }) => openedBy === keyId && closed === undefined);
    if (theirs.length < most) return;
    const suggestion = 'Close one, or use one that is open.';
    const message = `At most ${most} sessions of this key are open at once.`;
    throw new CompanionError('RATE_LIMITED', message, { retryAfterMs: RETRY_MS, suggestion });
  };
  // One at a time: each counts what those before it have opened.
  return registry.keyOpenings.run(() => open({ openedBy: keyId, requireMore }));
}
