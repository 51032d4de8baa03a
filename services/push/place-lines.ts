import type { PushRecord } from '../ports/outbox.js';

/** Where a push is shown: on one device, of those with the same collapse id only the last. */
export const placeOf = ({ device, collapseId }: PushRecord): string =>
  `${device.userId}/${device.deviceId}/${collapseId}`;

/**
 * Open pushes of no session, each place's in the order in which they were written. One that is being sent keeps its
 * place: it may fail, and is then to be sent again before what came after it. The clock does not count, as it can be
 * put back.
 */
export class PlaceLines {
  readonly #lines = new Map<string, Set<string>>();

  /** The row as it is now. One that is done leaves. */
  put(push: PushRecord): void {
    const { pushId, sessionId, state } = push;
    if (sessionId !== undefined) return;
    const place = placeOf(push);
    const line = this.#lines.get(place) ?? new Set<string>();
    if (state === 'owed' || state === 'sending') this.#lines.set(place, line.add(pushId));
    else if (line.delete(pushId) && line.size === 0) this.#lines.delete(place);
  }

  /** Whether this row, which is open, has to wait for an older one. Once it has not, it never has. */
  isBehind(push: PushRecord): boolean {
    if (push.sessionId !== undefined) return false;
    const [first] = this.#lines.get(placeOf(push)) ?? [];
    return first !== push.pushId;
  }
}
