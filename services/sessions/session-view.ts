import { basename } from 'node:path';
import { cutText } from '../../protocol/plain-text.js';
import type { SessionStatuses, SessionView } from '../../protocol/rest.js';
import type { WaitingPrompt, WaitingSession } from '../../protocol/waiting.js';
import type { DeviceRef, PromptRecord, SessionRecord } from '../ports/records.js';
import { permissionRequestOf } from './machine/permission-requests.js';
import {
  continuesAt,
  givenPrompts,
  openPermissions,
  queuedPrompts,
  type SessionState,
  statusOf,
} from './machine/session-state.js';
import type { Session } from './session.js';

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
  const startedAt = pid === undefined ? undefined : state.record.child?.startedAt;
  const uptimeSeconds = startedAt === undefined ? undefined : secondsSince(startedAt, now());
  return { ...unmeasuredView(session), ...optional({ memoryBytes, uptimeSeconds }) };
}

/** The same without what is measured: it changes only when something happens. */
export function unmeasuredView({ state, pid }: Session): SessionView {
  const { record } = state;
  const status = statusOf(state);
  const resumesAt = continuesAt(state);
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
      tag: record.tag || undefined,
      tags: record.tags?.length ? [...record.tags] : undefined,
      pinned: record.pinned || undefined,
      archived: record.archived?.is || undefined,
      claudeSessionId: record.claudeSessionId,
      model: record.model ?? record.modelChoice,
      permissionMode: record.permissionMode,
      remembered: record.remembered?.length || undefined,
      statusSince: record.statusSince === undefined ? undefined : iso(record.statusSince),
      pid,
      currentPrompt: currentPrompt(state),
      lastPrompt: lastPrompt(record),
      context: record.context,
      metadata: record.metadata,
      autoContinue: record.autoContinue || undefined,
      continuesAt: resumesAt === undefined ? undefined : iso(resumesAt),
      push: record.push,
    }),
  };
}

function currentPrompt(state: SessionState): SessionView['currentPrompt'] {
  const [given] = givenPrompts(state);
  if (!given) return undefined;
  const { promptId, text, createdAt } = given;
  return { promptId, prompt: cutText(text, MAX_TEXT), createdAt: iso(createdAt) };
}

function lastPrompt({ lastEnd }: SessionRecord): SessionView['lastPrompt'] {
  if (!lastEnd) return undefined;
  const { promptId, state, subtype, at } = lastEnd;
  const status = state === 'completed' || state === 'cancelled' ? state : 'failed';
  return { promptId, status, subtype, completedAt: iso(at) };
}

/** Never negative: the clock can have been set back. */
const secondsSince = (at: number, now: number): number => Math.max(0, Math.floor((now - at) / 1000));

const iso = (at: number) => new Date(at).toISOString();

type Present<T> = { [Key in keyof T]?: NonNullable<T[Key]> };

/** Removes fields without a value. */
const optional = <T extends object>(fields: T): Present<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;

/** What all of these do. */
export function statusesView(sessions: readonly Session[]): SessionStatuses {
  const counts: SessionStatuses['counts'] = {};
  const views = sessions.map((session) => {
    const view = unmeasuredView(session);
    counts[view.status] = (counts[view.status] ?? 0) + 1;
    const { id, sessionId, status, statusSince, isWorking, queueDepth, openPermissions: open } = view;
    const { currentPrompt, lastPrompt, lastActivity } = view;
    const known = optional({ statusSince, currentPrompt, lastPrompt });
    return { id, sessionId, status, isWorking, queueDepth, openPermissions: open, lastActivity, ...known };
  });
  return { sessions: views, total: views.length, counts };
}

const MAX_PROMPTS = 100;
const MAX_TEXT = 200;

/** What waits in a session. Permission requests are whole: the caller must cut them. */
export function waitingView({ state }: Session, isConnected: (device: DeviceRef) => boolean): WaitingSession {
  const { sessionId, directory, name } = state.record;
  const last = lastPrompt(state.record);
  const running = givenPrompts(state).map((prompt) => promptView(prompt, { state: 'running', isConnected }));
  const queued = queuedPrompts(state).map((prompt) => promptView(prompt, { state: 'queued', isConnected }));
  return {
    sessionId,
    workingDirectory: directory,
    ...(name !== undefined && { sessionName: name }),
    status: statusOf(state),
    permissions: openPermissions(state).map((permission) => ({
      ...permissionRequestOf(permission),
      askedAt: new Date(permission.createdAt).toISOString(),
    })),
    prompts: [...running, ...queued].slice(0, MAX_PROMPTS),
    promptCount: running.length + queued.length,
    ...(last && { lastPrompt: last }),
  };
}

interface PromptViewOptions extends Pick<WaitingPrompt, 'state'> {
  isConnected: (device: DeviceRef) => boolean;
}

function promptView(prompt: PromptRecord, { state, isConnected }: PromptViewOptions): WaitingPrompt {
  const { promptId, text, createdAt, device } = prompt;
  const shown = cutText(text, MAX_TEXT);
  return {
    promptId,
    state,
    text: shown,
    ...(shown.length < text.length && { truncated: true }),
    sentAt: new Date(createdAt).toISOString(),
    deviceId: device.deviceId,
    deviceConnected: isConnected(device),
  };
}
