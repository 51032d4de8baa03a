import type { PushRecord } from '../ports/outbox.js';
import type { DeviceRef } from '../ports/records.js';
import { type DueEntry, DueQueue } from './due-queue.js';
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

const deviceKey = ({ userId, deviceId }: DeviceRef): string => `${userId}/${deviceId}`;
