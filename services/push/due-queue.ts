import type { PushRecord } from '../ports/outbox.js';

export interface DueEntry {
  push: PushRecord;
  /** The order of insertion among all entries. */
  order: number;
}

/** Replaced entries stay in the heap until they come up, or until they outnumber the others by this many. */
const MAX_REPLACED = 1000;

/** Rows by due time. The cost of each query is proportional to its result. */
export class DueQueue {
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
    const isWaiting = (entry: DueEntry) => this.#entries.get(entry.push.pushId) === entry;
    this.#waiting = this.#waiting.filter(isWaiting).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }
}

function lesserChild(heap: readonly DueEntry[], place: number): number {
  const [left, right] = [heap[2 * place + 1], heap[2 * place + 2]];
  return left && right && isBefore(right, left) ? 2 * place + 2 : 2 * place + 1;
}

const isBefore = (a: DueEntry, b: DueEntry): boolean =>
  (a.push.nextTry - b.push.nextTry || a.push.createdAt - b.push.createdAt || a.order - b.order) < 0;
