/** Commands on an existing session: changing, steering and ending it, and answering its requests. */
import type { ClientData } from '../../protocol/client-frames.js';
import type { PatchSession } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { History } from '../../protocol/server-frames.js';
import type { PermissionRecord, RememberedGrant, SessionRecord } from '../ports/records.js';
import { readHistory } from '../sessions/history.js';
import type { Reply, Session } from '../sessions/session.js';
import type { statusOf } from '../sessions/session-state.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';
import { requireAllowedMode } from './start-session.js';

interface OfSession {
  caller: Caller;
  sessionId: SessionId;
}

/** Changes names and settings, and tells the running child. `modeField`: the client's name for the permission mode. */
export async function changeSession(
  services: CommandServices,
  {
    caller,
    sessionId,
    changes,
    modeField = 'permissionMode',
  }: OfSession & { changes: PatchSession; modeField?: string },
  reply: Reply<Session>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  requireAllowedMode(services, changes.permissionMode, modeField);
  await session.amend(recordOf(changes), () => reply(session));
}

function recordOf({ sessionName, model, ...changes }: PatchSession): Partial<SessionRecord> {
  const defined = Object.entries(changes).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(defined) as Partial<SessionRecord>),
    ...(sessionName !== undefined && { name: sessionName }),
    ...(model !== undefined && { modelChoice: model, model }),
  };
}

/** Interrupts the turn; `was` is the previous status. */
export async function interruptTurn(
  services: CommandServices,
  { caller, sessionId, clearQueue = false }: OfSession & { clearQueue?: boolean | undefined },
  reply: Reply<{ sessionId: SessionId; was: ReturnType<typeof statusOf> }>,
): Promise<void> {
  await sessionOf(services, caller, sessionId).interrupt(clearQueue, ({ was }) => reply({ sessionId, was }));
}

/** Ends the child and keeps the record; with `purge` nothing is kept. */
export async function closeSession(
  services: CommandServices,
  { caller, sessionId, reason, purge = false }: OfSession & { reason: string; purge?: boolean },
  reply: Reply<Session>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  if (!purge) return session.close(reason, () => reply(session));
  await session.purge();
  reply(session);
}

/** Answers an open permission request. Rejects with `ALREADY_RESOLVED` when another answer came first. */
export async function answerPermission(
  services: CommandServices,
  { caller, ...answer }: ClientData<'permission'> & { caller: Caller },
  reply: Reply<PermissionRecord>,
): Promise<void> {
  const { deviceId } = caller.device;
  await sessionOf(services, caller, answer.sessionId).answerPermission({ answer, deviceId }, reply);
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
