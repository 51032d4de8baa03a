import { deviceKey } from '../../model/devices.js';
import type { PushRecord } from '../../ports/outbox.js';
import type { DeviceRef } from '../../ports/records.js';
import { isResult, isUrgent } from './push-record.js';

/**
 * Owed rows, by due time. Ten thousand rows can wait while a few are checked repeatedly: the cost of each query is
 * proportional to its result.
 */
export class OwedRows {
  readonly #entries = new Map<string, DueEntry>();
  /** Rows that wait for a person's answer, and were not tried yet. */
  readonly #urgent = new DueQueue();
  readonly #patient = new DueQueue();
  readonly #results = new Map<string, Map<string, PushRecord>>();
  #order = 0;

  /** Stores the row's current state. A row that is not owed is removed. */
  put(push: PushRecord): void {
    if (push.state !== 'owed') {
      this.drop(push);
      return;
    }
    this.#order += 1;
    const { pushId } = push;
    const entry = { push, order: this.#entries.get(pushId)?.order ?? this.#order };
    this.#entries.set(pushId, entry);
    const [its, other] = isUrgent(push) ? [this.#urgent, this.#patient] : [this.#patient, this.#urgent];
    other.drop(pushId);
    its.put(entry);
    if (!isResult(push)) return;
    const key = deviceKey(push.device);
    const members = this.#results.get(key) ?? new Map<string, PushRecord>();
    this.#results.set(key, members.set(pushId, push));
  }

  drop(push: PushRecord): void {
    if (!this.#entries.delete(push.pushId)) return;
    this.#urgent.drop(push.pushId);
    this.#patient.drop(push.pushId);
    const key = deviceKey(push.device);
    const members = this.#results.get(key);
    if (members?.delete(push.pushId) && members.size === 0) this.#results.delete(key);
  }

  /** Yields due rows of either kind by due time, rows due since the same moment in order of insertion. */
  due(at: number, kind: 'urgent' | 'patient'): Generator<PushRecord> {
    return (kind === 'urgent' ? this.#urgent : this.#patient).due(at);
  }

  /** When the next row falls due that is not due yet; infinite when there is none. */
  get nextAt(): number {
    return Math.min(this.#urgent.nextAt, this.#patient.nextAt);
  }

  get nextUrgentAt(): number {
    return this.#urgent.nextAt;
  }

  /** Results that are owed to a device. */
  resultsOf(device: DeviceRef): PushRecord[] {
    return [...(this.#results.get(deviceKey(device))?.values() ?? [])];
  }
}

export interface DueEntry {
  push: PushRecord;
  /** The order of insertion among all entries. */
  order: number;
}

/** Replaced entries stay in the heap until they come up, or until they outnumber the others by this many. */
const MAX_REPLACED = 1000;

/** Rows by due time. The cost of each query is proportional to its result. */
class DueQueue {
  readonly #entries = new Map<string, DueEntry>();
  /** A heap: no entry is due before its parent at half its index. */
  #waiting: DueEntry[] = [];
  /** Due rows, in that order. */
  readonly #due = new Map<string, DueEntry>();

  /** Replaces an earlier entry of the row. */
  put(entry: DueEntry): void {
    this.#entries.set(entry.push.pushId, entry);
    this.#due.delete(entry.push.pushId);
    this.#enqueue(entry);
  }

  drop(pushId: string): void {
    this.#entries.delete(pushId);
    this.#due.delete(pushId);
  }

  /**
   * Yields due rows by due time, rows due since the same moment in order of insertion. Stopping early saves the rest of
   * the cost.
   */
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

  /** When the next row falls due that is not due yet; infinite when there is none. */
  get nextAt(): number {
    return this.#first()?.push.nextTry ?? Number.POSITIVE_INFINITY;
  }

  #first(): DueEntry | undefined {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (this.#entries.get(first.push.pushId) === first) return first;
      this.#dequeue();
    }
    return undefined;
  }

  #enqueue(entry: DueEntry): void {
    if (this.#waiting.length > 2 * this.#entries.size + MAX_REPLACED) this.#rebuild();
    const heap = this.#waiting;
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(entry, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #dequeue(): void {
    const heap = this.#waiting;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const child = lesserChild(heap, index);
      const below = heap[child];
      if (!below || !isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }

  /** A sorted list is a heap. */
  #rebuild(): void {
    const isWaiting = (entry: DueEntry) => this.#entries.get(entry.push.pushId) === entry;
    this.#waiting = this.#waiting.filter(isWaiting).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }
}

function lesserChild(heap: readonly DueEntry[], index: number): number {
  const [left, right] = [heap[2 * index + 1], heap[2 * index + 2]];
  return left && right && isBefore(right, left) ? 2 * index + 2 : 2 * index + 1;
}

const isBefore = (a: DueEntry, b: DueEntry): boolean =>
  (a.push.nextTry - b.push.nextTry || a.push.createdAt - b.push.createdAt || a.order - b.order) < 0;
