import { basename } from 'node:path';
import type { SessionView } from '../../protocol/rest.js';
import type { Session } from './session.js';
import { openPermissions, queuedPrompts, statusOf } from './session-state.js';

/** A session as REST shows it. `memoryOf` gives the resident bytes of a process. */
export function sessionView(session: Session, memoryOf: (pid: number) => number | undefined): SessionView {
  const { state, pid } = session;
  const { record } = state;
  const status = statusOf(state);
  const memoryBytes = pid === undefined ? undefined : memoryOf(pid);
  return {
    id: record.sessionId,
    sessionId: record.sessionId,
    workingDirectory: record.directory,
    projectPath: record.directory,
    projectName: basename(record.directory),
    status,
    isWorking: status === 'working' || status === 'waiting',
    queueDepth: queuedPrompts(state).length,
    openPermissions: openPermissions(state).length,
    messageCount: record.messageCount,
    totalCost: record.totalCost,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
    lastActivity: iso(record.lastActivity),
    ...optional({
      sessionName: record.name,
      claudeSessionId: record.claudeSessionId,
      model: record.model ?? record.modelChoice,
      permissionMode: record.permissionMode,
      pid,
      memoryBytes,
      context: record.context,
      metadata: record.metadata,
    }),
  };
}

const iso = (at: number) => new Date(at).toISOString();

type Present<T> = { [Key in keyof T]?: NonNullable<T[Key]> };

/** Without the fields that have no value. */
const optional = <T extends object>(fields: T): Present<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
