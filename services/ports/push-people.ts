/** What pushes need to know about people, their devices and their sessions. */
import type { SessionId } from '../../protocol/scalars.js';
import type { PushPlatform, PushRegistration } from './push.js';
import type { DeviceRef, UserId } from './records.js';

/** A registered device. */
export interface PushDevice {
  device: DeviceRef;
  /** Undefined when it is no longer reachable. */
  registration: PushRegistration | undefined;
  /** Whether its buttons can answer requests. */
  mayApprove: boolean;
  /** As it is stored. */
  preferences: unknown;
}

export interface PushDevices {
  /** The devices of a person. */
  pushDevices(userId: UserId): PushDevice[];
  /** The tokens of all people's devices on this platform. */
  tokensOf(platform: PushPlatform): readonly string[];
  /** Ends a void registration, unless a newer one replaced it. Resolves to whether it ended. */
  endRegistration(registration: PushRegistration): Promise<boolean>;
  /** Records the environment in which the token proved valid. */
  correctEnvironment(registration: PushRegistration, environment: PushRegistration['environment']): Promise<void>;
}

export interface PushSession {
  owner: UserId;
  /** The name of its project. */
  project: string;
  /** As it is stored. */
  preferences: unknown;
  /** Unanswered requests. */
  openRequests: ReadonlySet<string>;
}

export interface PushSessions {
  find(sessionId: SessionId): PushSession | undefined;
  /** The number of open requests in each session of a person. */
  openRequests(userId: UserId): ReadonlyMap<SessionId, number>;
  /** Sessions of a person with a running turn. */
  working(userId: UserId): SessionId[];
}
