/** Commands on an existing session: changing, steering and ending it, and answering its requests. */
import type { ClientData } from '../../protocol/client-frames.js';
import { invalid } from '../../protocol/error-codes.js';
import { plainLine } from '../../protocol/plain-text.js';
import type { PatchSession } from '../../protocol/rest.js';
import { MAX_TAG, type PermissionId, type SessionId } from '../../protocol/scalars.js';
import type { AnswerData, History } from '../../protocol/server-frames.js';
import type { Guarded } from '../model/guard.js';
import type { PermissionRecord, RememberedGrant, SessionRecord } from '../ports/records.js';
import { readHistory } from '../sessions/history.js';
import type { InterruptRequest } from '../sessions/machine/decide-command.js';
import { requireNotLasting, requireOneTap } from '../sessions/machine/permission-requests.js';
import { openPermissions, type statusOf } from '../sessions/machine/session-state.js';
import type { Reply, Session } from '../sessions/session.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';
import { requireAllowedMode } from './start-session.js';

interface OfSession {
  caller: Caller;
  sessionId: SessionId;
}

/**
 * Changes names and settings, and tells the running child. `modeField`: the client's name for the permission mode.
 */
export async function changeSession(
  services: CommandServices,
  {
    caller,
    sessionId,
    changes,
    modeField = 'permissionMode',
    guard,
  }: OfSession & Guarded & { changes: PatchSession; modeField?: string },
  reply: Reply<Session>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  requireAllowedMode(services, changes.permissionMode, modeField);
  const wanted = recordOf(changes, services.now());
  const whenCurrent = () => {
    guard?.();
    return wanted;
  };
  await session.amend(guard ? whenCurrent : wanted, () => reply(session));
}

const DEFAULT_EFFORT = 'default';
/** Where the CLI does not say what a model has. */
const EFFORT_LEVELS = ['low', 'medium', 'high', 'xhigh', 'max'];

/**
 * Chooses the effort level of the session, also for its later children. Rejects with `INVALID_REQUEST` when the model
 * lacks it, which is known while a child runs.
 */
export async function setEffort(
  services: CommandServices,
  { caller, sessionId, effort }: ClientData<'setEffort'> & { caller: Caller },
  reply: Reply<void>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  if (effort !== DEFAULT_EFFORT) await requireEffort(session, effort);
  await session.amend({ effort: effort === DEFAULT_EFFORT ? null : effort }, reply);
}

async function requireEffort(session: Session, effort: string): Promise<void> {
  const levels = (await findEffortLevels(session)) ?? EFFORT_LEVELS;
  if (levels.includes(effort)) return;
  throw invalid('effort', `must be ${[...levels, DEFAULT_EFFORT].join(' or ')} with this model`);
}

async function findEffortLevels(session: Session): Promise<readonly string[] | undefined> {
  const { record, child } = session.state;
  if (child.phase === 'none' || child.phase === 'ending') return undefined;
  const { questions } = await session.runningChild();
  return questions.effortLevels(record.model ?? record.modelChoice ?? 'default');
}

/** Bounds the thinking of the session's models that have a budget, in tokens; without a number, not at all. */
export async function setThinking(
  services: CommandServices,
  { caller, sessionId, maxTokens = null }: OfSession & { maxTokens: number | null | undefined },
  reply: Reply<void>,
): Promise<void> {
  await sessionOf(services, caller, sessionId).amend({ maxThinkingTokens: maxTokens }, reply);
}

const MAX_ADDED_DIRECTORIES = 50;

/**
 * Lets Claude work in another directory too, also in later children of the session. Rejects like `resolveDirectory`,
 * and with `INVALID_REQUEST` for a directory in the session's own, or more than 50.
 */
export async function addDirectory(
  services: CommandServices,
  { caller, sessionId, directory }: ClientData<'addDirectory'> & { caller: Caller },
  reply: Reply<AnswerData<'addDirectory'>>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  const base = session.state.record.directory;
  const { path } = await services.workspace.resolveDirectory(directory, { base, field: 'directory' });
  if (path === base || path.startsWith(`${base}/`)) throw invalid('directory', 'must be outside that of the session');
  await session.amend(
    ({ addedDirectories = [] }) => ({ addedDirectories: withDirectory(addedDirectories, path) }),
    () => reply({ sessionId, directory: path, directories: [...(session.state.record.addedDirectories ?? [])] }),
  );
}

function withDirectory(directories: readonly string[], path: string): readonly string[] {
  if (directories.includes(path)) return directories;
  if (directories.length >= MAX_ADDED_DIRECTORIES) {
    throw invalid('directory', `must not be added: a session can have ${MAX_ADDED_DIRECTORIES}`);
  }
  return [...directories, path];
}

function recordOf(changes: PatchSession, now: number): Partial<SessionRecord> {
  const { sessionName, tag, tags, pinned, archived, model, permissionMode, metadata, push, autoContinue } = changes;
  const { system_prompt: prompt, context = prompt } = changes;
  return {
    ...(sessionName !== undefined && { name: sessionName }),
    ...(tag !== undefined && { tag: plainLine(tag, MAX_TAG) }),
    ...(tags && { tags: tags.map((one) => plainLine(one, MAX_TAG)) }),
    ...(pinned !== undefined && { pinned }),
    ...(archived !== undefined && { archived: { is: archived, at: now } }),
    ...(model !== undefined && { modelChoice: model, model }),
    ...(permissionMode !== undefined && { permissionMode }),
    ...(context !== undefined && { context }),
    ...(metadata !== undefined && { metadata }),
    ...(push !== undefined && { push }),
    ...(autoContinue !== undefined && { autoContinue }),
  };
}

/** Sessions whose conversations are looked at together, and how long a list waits for them, in milliseconds. */
const LOOKED_AT = 4;
const LOOK_WAIT_MS = 300;

/**
 * Takes over what was given to the conversations of these sessions at a desk. Resolves after 300 ms at the latest; what
 * is found later is told by `sessionStatus`. Never rejects.
 */
export async function refreshLabels(
  { registry }: Pick<CommandServices, 'registry'>,
  sessions: readonly Session[],
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LOOK_WAIT_MS);
  });
  const kept = sessions.filter((session) => !registry.hasEnded(session));
  await Promise.race([refreshEach(kept), late]).finally(() => clearTimeout(timer));
}

async function refreshEach(sessions: readonly Session[]): Promise<void> {
  for (let from = 0; from < sessions.length; from += LOOKED_AT) {
    await Promise.all(sessions.slice(from, from + LOOKED_AT).map((session) => session.refreshLabels()));
  }
}

/** Interrupts the turn; `was` is the previous status. */
export async function interruptTurn(
  services: CommandServices,
  { caller, sessionId, ...request }: OfSession & InterruptRequest,
  reply: Reply<{ sessionId: SessionId; was: ReturnType<typeof statusOf> }>,
): Promise<void> {
  await sessionOf(services, caller, sessionId).interrupt(request, ({ was }) => reply({ sessionId, was }));
}

/** Ends the child and keeps the record; with `purge` nothing is kept. */
export async function closeSession(
  services: CommandServices,
  { caller, sessionId, reason, purge = false, guard }: OfSession & Guarded & { reason: string; purge?: boolean },
  reply: Reply<Session>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  if (!purge) return session.close({ reason, guard }, () => reply(session));
  await session.purge(guard);
  reply(session);
}

/** Answers an open permission request. Rejects with `ALREADY_RESOLVED` when another answer came first. */
export async function answerPermission(
  services: CommandServices,
  { caller, inOneTap, ...answer }: ClientData<'permission'> & { caller: Caller; inOneTap?: boolean },
  reply: Reply<PermissionRecord>,
): Promise<void> {
  const { deviceId } = caller.device;
  await sessionOf(services, caller, answer.sessionId).answerPermission({ answer, deviceId, inOneTap }, reply);
}

/** Throws the reason why no notification can give this response to this request, when it is open. */
export function requireNotifiable(
  { registry }: CommandServices,
  { sessionId, permissionId, response }: { sessionId: SessionId; permissionId: PermissionId; response: string },
): void {
  const state = registry.find(sessionId)?.state;
  const open = state && openPermissions(state).find((one) => one.permissionId === permissionId);
  if (!open) return;
  requireOneTap(open.ask);
  requireNotLasting(response);
}

export interface TakenBack {
  session: Session;
  taken: readonly RememberedGrant[];
}

/** Revokes one remembered grant, or all of them when none is named. */
export async function takeBackRemembered(
  services: CommandServices,
  { caller, sessionId, rememberedId }: OfSession & { rememberedId?: string },
  reply: Reply<TakenBack>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  await session.takeBackRemembered(rememberedId, (taken) => reply({ session, taken }));
}

/** A page of the messages of a session. */
export async function readMessages(
  services: CommandServices,
  { caller, sessionId, ...range }: ClientData<'getMessageHistory'> & { caller: Caller },
): Promise<History> {
  const { journal } = services;
  return readHistory({ session: sessionOf(services, caller, sessionId), journal, range });
}
