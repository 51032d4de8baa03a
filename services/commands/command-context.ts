import type { KeyLimits } from '../../protocol/keys.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { BudgetStore } from '../ports/budgets.js';
import type { ClaudeLaunchers, ClaudeOutside } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { RequireRoom } from '../ports/machine.js';
import type { DeviceRef } from '../ports/records.js';
import type { Repositories } from '../ports/repositories.js';
import type { SearchIndex } from '../ports/search.js';
import type { Workspace } from '../ports/workspace.js';
import type { Session } from '../sessions/session.js';
import type { SessionRegistry } from '../sessions/session-registry.js';

/** The services used by the commands. */
export interface CommandServices {
  registry: SessionRegistry;
  workspace: Workspace;
  repositories: Repositories;
  launchers: ClaudeLaunchers;
  journal: Journal;
  search: SearchIndex;
  budgets: BudgetStore;
  askRunner: ClaudeOutside;
  requireRoom: RequireRoom;
  /** Why `bypassPermissions` is unavailable; undefined when it is available. */
  bypassProblem: string | undefined;
  now: () => number;
}

/** The authenticated caller. */
export interface Caller {
  device: DeviceRef;
  /** Makes a prompt of this device run only once; null when the client gave none. */
  requestId: string | null;
  /** The key that it has used. */
  key?: { keyId: string; limits?: KeyLimits } | undefined;
  /** The W3C `traceparent` of the request, where it is traced. */
  trace?: string | undefined;
}

/** A directory as named by a client, the field that named it, and the base of relative paths. */
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
