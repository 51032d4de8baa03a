/** What pushes need to know of people, their devices and their sessions. */
import type { SessionId } from '../../protocol/scalars.js';
import type { PushPlatform, PushRegistration } from './push.js';
import type { DeviceRef, UserId } from './records.js';

/** A device that was registered. */
export interface PushDevice {
  device: DeviceRef;
  /** Undefined when it cannot be reached any more. */
  registration: PushRegistration | undefined;
  /** Whether its buttons may answer requests. */
  mayApprove: boolean;
  /** As it is stored. */
  preferences: unknown;
}

export interface PushDevices {
  /** Those of a person. */
  pushDevices(userId: UserId): PushDevice[];
  /** Of all people's devices there. */
  tokensOf(platform: PushPlatform): readonly string[];
  /** The registration is void, unless it is another one by now. Resolves to whether it was ended. */
  endRegistration(registration: PushRegistration): Promise<boolean>;
  /** It turned out where the token is valid. */
  correctEnvironment(registration: PushRegistration, environment: PushRegistration['environment']): Promise<void>;
}

export interface PushSession {
  owner: UserId;
  /** The name of its project. */
  project: string;
  /** As it is stored. */
  preferences: unknown;
  /** Requests that nobody has answered yet. */
  openRequests: ReadonlySet<string>;
}

export interface PushSessions {
  find(sessionId: SessionId): PushSession | undefined;
  /** How many requests are open in each session of a person. */
  openRequests(userId: UserId): ReadonlyMap<SessionId, number>;
  /** Sessions of a person in which a turn runs. */
  working(userId: UserId): SessionId[];
}
