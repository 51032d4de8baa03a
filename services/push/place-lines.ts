import type { PushRecord } from '../ports/outbox.js';

/** Where a push is shown: a device shows only the last one with the same collapse id. */
export const placeOf = ({ device, collapseId }: PushRecord): string =>
  `${device.userId}/${device.deviceId}/${collapseId}`;

/**
 * Open pushes without a session, for each place in the order of writing. One that is being sent keeps its position: it
 * can fail, and must then be sent again before later ones. The clock is not used, as it can be put back.
 */
export class PlaceLines {
  readonly #lines = new Map<string, Set<string>>();

  /** Stores the row's current state. A row that is done is removed. */
  put(push: PushRecord): void {
    const { pushId, sessionId, state } = push;
    if (sessionId !== undefined) return;
    const place = placeOf(push);
    const line = this.#lines.get(place) ?? new Set<string>();
    if (state === 'owed' || state === 'sending') this.#lines.set(place, line.add(pushId));
    else if (line.delete(pushId) && line.size === 0) this.#lines.delete(place);
  }

  /** Whether this open row must wait for an older one. Once false, it stays false. */
  isBehind(push: PushRecord): boolean {
    if (push.sessionId !== undefined) return false;
    const [first] = this.#lines.get(placeOf(push)) ?? [];
    return first !== push.pushId;
  }
}
