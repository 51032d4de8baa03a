import type { PushRecord } from '../ports/outbox.js';
import type { DeviceRef } from '../ports/records.js';
import { type DueEntry, DueQueue } from './due-queue.js';
import { isResult, isUrgent } from './push-record.js';

/**
 * What is owed, by when it is to be looked at. Ten thousand rows may wait while a few are looked at, again and again: no
 * question here costs more than what it answers with.
 */
export class OwedRows {
  readonly #entries = new Map<string, DueEntry>();
  /** What a person is waited for with, and was not tried yet. */
  readonly #urgent = new DueQueue();
  readonly #patient = new DueQueue();
  readonly #results = new Map<string, Map<string, PushRecord>>();
  #order = 0;

  /** The row as it is now. One that is not owed is none of these. */
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

  /** Of either kind what is due, longest first, of what is due since the same moment oldest first. */
  due(at: number, kind: 'urgent' | 'patient'): Generator<PushRecord> {
    return (kind === 'urgent' ? this.#urgent : this.#patient).due(at);
  }

  /** When the next one falls due that was not due yet; infinite when there is none. */
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
