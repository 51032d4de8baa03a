import type { SessionId } from '../../protocol/scalars.js';
import type { ClaudeLaunchers } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { RequireRoom } from '../ports/machine.js';
import type { DeviceRef } from '../ports/records.js';
import type { Workspace } from '../ports/workspace.js';
import type { Session } from '../sessions/session.js';
import type { SessionRegistry } from '../sessions/session-registry.js';

/** What use cases work with. */
export interface CommandServices {
  registry: SessionRegistry;
  workspace: Workspace;
  launchers: ClaudeLaunchers;
  journal: Journal;
  requireRoom: RequireRoom;
  /** Why `bypassPermissions` cannot be had; undefined where it can. */
  bypassProblem: string | undefined;
  now: () => number;
}

/** Who asks. */
export interface Caller {
  device: DeviceRef;
  /** Makes a prompt of this device run once; null where the client gave none. */
  requestId: string | null;
}

/** A directory as a client names it, the field it came in, and where relative paths begin. */
export interface NamedDirectory {
  path: string;
  field: string;
  base?: string;
}

/** The caller's session with this id. Throws `NOT_FOUND`. */
export const sessionOf = (
  { registry }: Pick<CommandServices, 'registry'>,
  { device }: Pick<Caller, 'device'>,
  sessionId: SessionId,
): Session => registry.require(device.userId, sessionId);
