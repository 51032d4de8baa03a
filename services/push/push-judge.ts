import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore } from '../ports/journal.js';
import type { PushRecord } from '../ports/outbox.js';
import type { PushDevices, PushSessions } from '../ports/push-people.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { Concern } from './concerns.js';
import type { DevicePresence } from './presence.js';
import type { About } from './push-about.js';
import { type DeviceVerdict, judge, type PersonDevice, type Verdict } from './push-policy.js';
import { readPreferences, readSessionPreferences } from './push-preferences.js';

export interface PushJudgeOptions {
  cursors: CursorStore;
  devices: PushDevices;
  sessions: PushSessions;
  presence: DevicePresence;
  epoch: string;
}

const NOT_REGISTERED = 'the device is not registered';

/** For a row whose device can no longer be reached. */
interface Unregistered {
  kind: 'suppressed';
  reason: typeof NOT_REGISTERED;
}

export interface Judged {
  push: PushRecord;
  verdict: Verdict | Unregistered;
}

/** Judges rows of the outbox by the policy and the current state. */
export class PushJudge {
  readonly #options: PushJudgeOptions;

  constructor(options: PushJudgeOptions) {
    this.#options = options;
  }

  /** Judges rows with their subjects. Those without an event are owed until they are stale. */
  async judge(pushes: readonly (readonly [PushRecord, About])[], now: number): Promise<Judged[]> {
    const people = new Map<UserId, PersonDevice[]>();
    for (const [{ device }] of pushes)
      if (!people.has(device.userId)) people.set(device.userId, await this.#devicesOf(device.userId));
    const events = new Map<string, DeviceVerdict[]>();
    return pushes.map(([push, about]) => {
      const devices = people.get(push.device.userId) ?? [];
      return { push, verdict: this.#verdictOn({ push, about, devices, events, now }) };
    });
  }

  #verdictOn({ push, about, devices, events, now }: Case): Verdict | Unregistered {
    if (about.what !== 'concern') {
      const isRegistered = devices.some((one) => one.isRegistered && isSame(one.device, push.device));
      if (!isRegistered) return { kind: 'suppressed', reason: NOT_REGISTERED };
      if (now >= push.expiresAt) return { kind: 'suppressed', reason: 'stale' };
      return { kind: 'owed', at: push.dueAt, expiresAt: push.expiresAt };
    }
    const { sessionId, seq } = about.concern;
    const event = `${push.device.userId}/${sessionId}/${push.epoch}/${seq}`;
    const verdicts = events.get(event) ?? this.#judgeEvent({ push, concern: about.concern, devices, now });
    events.set(event, verdicts);
    const found = verdicts.find(({ device }) => isSame(device, push.device));
    return found?.verdict ?? { kind: 'suppressed', reason: NOT_REGISTERED };
  }

  #judgeEvent({ push, concern, devices, now }: Pick<Case, 'push' | 'devices' | 'now'> & { concern: Concern }) {
    const { sessions, epoch, presence } = this.#options;
    const session = sessions.find(concern.sessionId);
    return judge({
      concern,
      session: {
        preferences: readSessionPreferences(session?.preferences),
        openRequests: session?.openRequests ?? new Set(),
      },
      // Positions of another epoch refer to other events.
      devices: push.epoch === epoch ? devices : devices.map((device) => ({ ...device, cursors: new Map() })),
      knownFrom: presence.knownFrom,
      now,
    });
  }

  async #devicesOf(userId: UserId): Promise<PersonDevice[]> {
    const { devices, presence } = this.#options;
    const registered = devices.pushDevices(userId);
    const seen = presence.known(userId);
    const others = seen.filter(({ device }) => !registered.some((one) => isSame(one.device, device)));
    const all = [...registered, ...others.map(({ device }) => ({ device, registration: undefined, preferences: {} }))];
    return Promise.all(
      all.map(async ({ device, registration, preferences }) => {
        const found = seen.find((one) => isSame(one.device, device));
        return {
          device,
          isRegistered: registration !== undefined,
          presence: found?.presence ?? 'away',
          leftAt: found?.leftAt,
          lastAckAt: found?.lastAckAt,
          cursors: await this.#cursorsOf(device),
          preferences: readPreferences(preferences),
        };
      }),
    );
  }

  async #cursorsOf(device: DeviceRef): Promise<Map<SessionId, number>> {
    const { cursors, epoch } = this.#options;
    const all = await cursors.readCursors(device);
    return new Map([...all].flatMap(([id, cursor]) => (cursor.epoch === epoch ? [[id, cursor.seq] as const] : [])));
  }
}

interface Case {
  push: PushRecord;
  about: About;
  devices: PersonDevice[];
  /** Verdicts on the events of other rows, for all devices at once. */
  events: Map<string, DeviceVerdict[]>;
  now: number;
}

const isSame = (a: DeviceRef, b: DeviceRef): boolean => a.userId === b.userId && a.deviceId === b.deviceId;
