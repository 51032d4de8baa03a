import { basename } from 'node:path';
import type { SessionView } from '../../protocol/rest.js';
import type { Session } from './session.js';
import { openPermissions, queuedPrompts, statusOf } from './session-state.js';

export interface ViewOptions {
  /** The resident bytes of a process. */
  memoryOf: (pid: number) => Promise<number | undefined>;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
}

/** A session in REST form. Its child's resource usage is that of the CLI alone, without processes of its tools. */
export async function sessionView(session: Session, { memoryOf, now }: ViewOptions): Promise<SessionView> {
  const measured = session.pid;
  const memory = measured === undefined ? undefined : await memoryOf(measured);
  const { state, pid } = session;
  const memoryBytes = pid === measured ? memory : undefined;
  const { record } = state;
  const status = statusOf(state);
  const startedAt = pid === undefined ? undefined : record.child?.startedAt;
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
      remembered: record.remembered?.length || undefined,
      statusSince: record.statusSince === undefined ? undefined : iso(record.statusSince),
      pid,
      memoryBytes,
      uptimeSeconds: startedAt === undefined ? undefined : secondsSince(startedAt, now()),
      context: record.context,
      metadata: record.metadata,
      push: record.push,
    }),
  };
}

/** Never negative: the clock can have been set back. */
const secondsSince = (at: number, now: number): number => Math.max(0, Math.floor((now - at) / 1000));

const iso = (at: number) => new Date(at).toISOString();

type Present<T> = { [Key in keyof T]?: NonNullable<T[Key]> };

/** Removes fields without a value. */
const optional = <T extends object>(fields: T): Present<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
