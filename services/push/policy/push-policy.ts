import type { SessionId } from '../../../protocol/scalars.js';
import { deviceKey, isSameDevice } from '../../model/devices.js';
import { readPreferences, readSessionPreferences } from '../../model/push-preferences.js';
import type { CursorStore } from '../../ports/cursors.js';
import type { PushRecord } from '../../ports/outbox.js';
import type { PushDevices, PushSessions } from '../../ports/push-people.js';
import type { DeviceRef, UserId } from '../../ports/records.js';
import type { About } from '../outbox/push-record.js';
import type { Concern } from './concerns.js';
import { type DeviceVerdict, judge, type PersonDevice, type Presence, type Verdict } from './judge-event.js';

export interface PushPolicyOptions extends DevicePresenceOptions {
  cursors: CursorStore;
  devices: PushDevices;
  sessions: PushSessions;
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

/** Judges rows of the outbox by the state of people's devices and sessions. */
export class PushPolicy {
  readonly presence: DevicePresence;
  readonly #options: PushPolicyOptions;

  constructor(options: PushPolicyOptions) {
    this.#options = options;
    this.presence = new DevicePresence(options);
  }

  /** Judges rows with their subjects. Those without an event are owed until they are stale. */
  judge(pushes: readonly (readonly [PushRecord, About])[], now: number): Judged[] {
    const people = new Map<UserId, PersonDevice[]>();
    for (const [{ device }] of pushes)
      if (!people.has(device.userId)) people.set(device.userId, this.#devicesOf(device.userId));
    const events = new Map<string, DeviceVerdict[]>();
    return pushes.map(([push, about]) => {
      const devices = people.get(push.device.userId) ?? [];
      return { push, verdict: this.#verdictOn({ push, about, devices, events, now }) };
    });
  }

  #verdictOn({ push, about, devices, events, now }: Case): Verdict | Unregistered {
    if (about.what !== 'concern') {
      const isRegistered = devices.some((one) => one.isRegistered && isSameDevice(one.device, push.device));
      if (!isRegistered) return { kind: 'suppressed', reason: NOT_REGISTERED };
      if (now >= push.expiresAt) return { kind: 'suppressed', reason: 'stale' };
      return { kind: 'owed', at: push.dueAt, expiresAt: push.expiresAt };
    }
    const { sessionId, seq } = about.concern;
    const event = `${push.device.userId}/${sessionId}/${push.epoch}/${seq}`;
    const verdicts = events.get(event) ?? this.#judgeEvent({ push, concern: about.concern, devices, now });
    events.set(event, verdicts);
    const found = verdicts.find(({ device }) => isSameDevice(device, push.device));
    return found?.verdict ?? { kind: 'suppressed', reason: NOT_REGISTERED };
  }

  #judgeEvent({ push, concern, devices, now }: Pick<Case, 'push' | 'devices' | 'now'> & { concern: Concern }) {
    const { sessions, epoch } = this.#options;
    const session = sessions.find(concern.sessionId);
    return judge({
      concern,
      session: {
        preferences: readSessionPreferences(session?.preferences),
        openRequests: session?.openRequests ?? new Set(),
      },
      // Positions of another epoch refer to other events.
      devices: push.epoch === epoch ? devices : devices.map((device) => ({ ...device, cursors: new Map() })),
      knownFrom: this.presence.knownFrom,
      now,
    });
  }

  #devicesOf(userId: UserId): PersonDevice[] {
    const registered = this.#options.devices.pushDevices(userId);
    const seen = this.presence.known(userId);
    const others = seen.filter(({ device }) => !registered.some((one) => isSameDevice(one.device, device)));
    const all = [...registered, ...others.map(({ device }) => ({ device, registration: undefined, preferences: {} }))];
    return all.map(({ device, registration, preferences }) => {
      const found = seen.find((one) => isSameDevice(one.device, device));
      return {
        device,
        isRegistered: registration !== undefined,
        presence: found?.presence ?? 'away',
        leftAt: found?.leftAt,
        lastAckAt: found?.lastAckAt,
        cursors: this.#cursorsOf(device),
        preferences: readPreferences(preferences),
      };
    });
  }

  #cursorsOf(device: DeviceRef): Map<SessionId, number> {
    const { cursors, epoch } = this.#options;
    const all = cursors.readCursors(device);
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

/** One connection of a device. */
export interface Visit {
  say(presence: 'foreground' | 'background'): void;
  /** It has ended. */
  end(): void;
}

/** A device that has connected since this daemon began. Times are epoch milliseconds. */
export interface KnownDevice {
  device: DeviceRef;
  presence: Presence;
  leftAt: number | undefined;
  lastAckAt: number | undefined;
}

interface DevicePresenceOptions {
  now: () => number;
  /** A device has connected, disconnected, or changed between foreground and background. */
  onChange: (userId: UserId) => void;
}

/** Time for devices to connect to a new daemon. */
const RETURN_MS = 2000;
/** Clients can choose a new device id each time: the devices that left longest ago are forgotten. */
const MAX_KNOWN = 100;

/** The presence of people's devices. */
class DevicePresence {
  readonly #options: DevicePresenceOptions;
  readonly #known = new Map<string, KnownDevice>();
  readonly #visits = new Map<string, Visit>();
  #begunAt = Number.NEGATIVE_INFINITY;

  constructor(options: DevicePresenceOptions) {
    this.#options = options;
  }

  /** Devices can connect from here on. */
  begin(): void {
    this.#begunAt = this.#options.now();
  }

  /** From this moment a missing device counts as away; at most `RETURN_MS` ahead, even after the clock was put back. */
  get knownFrom(): number {
    return Math.min(this.#begunAt, this.#options.now()) + RETURN_MS;
  }

  /** A connecting device counts as in the foreground. A newer connection replaces an older one. */
  arrive(device: DeviceRef): Visit {
    const key = deviceKey(device);
    const isLatest = () => this.#visits.get(key) === visit;
    const visit: Visit = {
      say: (presence) => {
        if (isLatest()) this.#put(device, presence);
      },
      end: () => {
        if (!isLatest()) return;
        this.#visits.delete(key);
        this.#put(device, 'away');
      },
    };
    this.#visits.set(key, visit);
    this.#put(device, 'foreground');
    return visit;
  }

  acknowledged(device: DeviceRef): void {
    const known = this.#of(device);
    this.#known.set(deviceKey(device), { ...known, lastAckAt: this.#options.now() });
  }

  known(userId: UserId): KnownDevice[] {
    return [...this.#known.values()].filter(({ device }) => device.userId === userId);
  }

  /** People with a device in the foreground. */
  looking(): UserId[] {
    const present = [...this.#known.values()].filter(({ presence }) => presence === 'foreground');
    return [...new Set(present.map(({ device }) => device.userId))];
  }

  #of(device: DeviceRef): KnownDevice {
    const away = { device, presence: 'away', leftAt: undefined, lastAckAt: undefined } as const;
    return this.#known.get(deviceKey(device)) ?? away;
  }

  #put(device: DeviceRef, presence: Presence): void {
    const before = this.#of(device);
    const key = deviceKey(device);
    const left = before.presence === 'foreground' ? this.#options.now() : before.leftAt;
    this.#known.delete(key);
    this.#known.set(key, { ...before, presence, leftAt: presence === 'foreground' ? undefined : left });
    if (this.#known.size > MAX_KNOWN) this.#forgetOne();
    this.#options.onChange(device.userId);
  }

  #forgetOne(): void {
    for (const [key, { presence }] of this.#known) {
      if (presence !== 'away') continue;
      this.#known.delete(key);
      return;
    }
  }
}
