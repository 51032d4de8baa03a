import type { PushRecord } from '../ports/outbox.js';
import type { DeviceRef } from '../ports/records.js';
import { isResult } from './push-record.js';

interface Entry {
  push: PushRecord;
  /** When it came here, among all. */
  order: number;
}

/** Entries that were replaced stay in the heap until they come up, or until they are this many more than the others. */
const MAX_REPLACED = 1000;

/**
 * What is owed, by when it is to be looked at. Ten thousand rows may wait while a few are looked at, again and again: no
 * question here costs more than what it answers with.
 */
export class OwedRows {
  readonly #entries = new Map<string, Entry>();
  /** A heap: none is due before the one at half its place. */
  #waiting: Entry[] = [];
  /** Due, in that order. */
  readonly #due = new Map<string, Entry>();
  readonly #results = new Map<string, Map<string, PushRecord>>();
  /** Of no session, by device and collapse id. */
  readonly #placeless = new Map<string, Map<string, PushRecord>>();
  #order = 0;

  /** The row as it is now. One that is not owed is none of these. */
  put(push: PushRecord): void {
    if (push.state !== 'owed') {
      this.drop(push);
      return;
    }
    this.#order += 1;
    const entry = { push, order: this.#entries.get(push.pushId)?.order ?? this.#order };
    this.#entries.set(push.pushId, entry);
    this.#due.delete(push.pushId);
    this.#enqueue(entry);
    for (const [group, key] of this.#groupsOf(push)) {
      const members = group.get(key) ?? new Map<string, PushRecord>();
      group.set(key, members.set(push.pushId, push));
    }
  }

  drop(push: PushRecord): void {
    if (!this.#entries.delete(push.pushId)) return;
    this.#due.delete(push.pushId);
    for (const [group, key] of this.#groupsOf(push)) {
      const members = group.get(key);
      members?.delete(push.pushId);
      if (members?.size === 0) group.delete(key);
    }
  }

  /** What is due, longest first, of what is due since the same moment oldest first. Whoever stops early pays for no more. */
  *due(at: number): Generator<PushRecord> {
    for (const [pushId, entry] of this.#due) {
      if (entry.push.nextTry <= at) yield entry.push;
      else {
        // The clock was put back.
        this.#due.delete(pushId);
        this.#enqueue(entry);
      }
    }
    for (let first = this.#first(); first && first.push.nextTry <= at; first = this.#first()) {
      this.#dequeue();
      this.#due.set(first.push.pushId, first);
      yield first.push;
    }
  }

  /** When the next one falls due that was not due yet; infinite when there is none. */
  get nextAt(): number {
    return this.#first()?.push.nextTry ?? Number.POSITIVE_INFINITY;
  }

  /** Results that are owed to a device. */
  resultsOf(device: DeviceRef): PushRecord[] {
    return [...(this.#results.get(deviceKey(device))?.values() ?? [])];
  }

  /** Whether it has to wait for an older one: digests and tests come in their order. */
  isBehind(push: PushRecord): boolean {
    if (push.sessionId !== undefined) return false;
    for (const other of this.#placeless.get(placeKey(push))?.values() ?? [])
      if (other.createdAt < push.createdAt) return true;
    return false;
  }

  #groupsOf(push: PushRecord): [Map<string, Map<string, PushRecord>>, string][] {
    if (isResult(push)) return [[this.#results, deviceKey(push.device)]];
    return push.sessionId === undefined ? [[this.#placeless, placeKey(push)]] : [];
  }

  #first(): Entry | undefined {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (this.#entries.get(first.push.pushId) === first) return first;
      this.#dequeue();
    }
    return undefined;
  }

  #enqueue(entry: Entry): void {
    if (this.#waiting.length > 2 * this.#entries.size + MAX_REPLACED) this.#rebuild();
    const heap = this.#waiting;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(entry, above)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = entry;
  }

  #dequeue(): void {
    const heap = this.#waiting;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let place = 0;
    for (;;) {
      const child = lesserChild(heap, place);
      const below = heap[child];
      if (!below || !isBefore(below, last)) break;
      heap[place] = below;
      place = child;
    }
    heap[place] = last;
  }

  /** A sorted list is a heap. */
  #rebuild(): void {
    const isWaiting = (entry: Entry) => this.#entries.get(entry.push.pushId) === entry;
    this.#waiting = this.#waiting.filter(isWaiting).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }
}

function lesserChild(heap: readonly Entry[], place: number): number {
  const [left, right] = [heap[2 * place + 1], heap[2 * place + 2]];
  return left && right && isBefore(right, left) ? 2 * place + 2 : 2 * place + 1;
}

const isBefore = (a: Entry, b: Entry): boolean =>
  (a.push.nextTry - b.push.nextTry || a.push.createdAt - b.push.createdAt || a.order - b.order) < 0;

const deviceKey = ({ userId, deviceId }: DeviceRef): string => `${userId}/${deviceId}`;
const placeKey = ({ device, collapseId }: PushRecord): string => `${deviceKey(device)}/${collapseId}`;
