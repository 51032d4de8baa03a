import type { ClientData } from '../../protocol/client-frames.js';
import type { SessionId } from '../../protocol/scalars.js';
import { readHistory } from '../../services/sessions/history.js';
import type { Session } from '../../services/sessions/session.js';
import { sessionStatusOf } from '../../services/sessions/session-state.js';
import type { StartSessionRequest } from '../../services/sessions/start-session.js';
import { answer, answerStatus, type ConnectionContext, type RequestContext } from './request-context.js';

/** The caller's session with this id. */
export const sessionOf = ({ services, principal }: ConnectionContext, sessionId: SessionId): Session =>
  services.registry.require(principal.userId, sessionId);

/** A client's path: relative ones begin where this connection said, else at the first root. */
export function directoryOf(
  { workingDirectory: base }: ConnectionContext,
  path: string,
  field: string,
): StartSessionRequest['directory'] {
  return { path, field, ...(base !== undefined && { base }) };
}

export async function streamStart(context: RequestContext, data: ClientData<'streamStart'>): Promise<void> {
  const { connection, requestId } = context;
  const { services, device, delivery } = connection;
  const { prompt, workingDirectory = '.', options = {}, attachments } = data;
  const directory = directoryOf(connection, workingDirectory, 'workingDirectory');
  await services.starter.start({ device, requestId, directory, prompt, attachments, options }, (started) => {
    // Recorded before it is answered: a daemon that dies now must find the device subscribed. Frames come later. One
    // that died before it had recorded it is asked again, and what the prompt has caused since then is still owed.
    delivery.join(started.session.id, started.head);
    answer(context, 'streamStarted', started.answer);
  });
}

export async function streamClose(
  context: RequestContext,
  { sessionId, reason }: ClientData<'streamClose'>,
): Promise<void> {
  const session = sessionOf(context.connection, sessionId);
  await session.close(reason, () => answerStatus(context, sessionStatusOf(session.state)));
}

export async function interrupt(context: RequestContext, data: ClientData<'interrupt'>): Promise<void> {
  const { sessionId, clearQueue = false } = data;
  const session = sessionOf(context.connection, sessionId);
  await session.interrupt(clearQueue, ({ was }) => answer(context, 'interrupted', { sessionId, was }));
}

export async function setModel(context: RequestContext, { sessionId, model }: ClientData<'setModel'>): Promise<void> {
  const session = sessionOf(context.connection, sessionId);
  await session.amend({ modelChoice: model, model }, () => answerStatus(context, sessionStatusOf(session.state)));
}

export async function setPermissionMode(context: RequestContext, data: ClientData<'setPermissionMode'>): Promise<void> {
  const { sessionId, mode } = data;
  const session = sessionOf(context.connection, sessionId);
  context.connection.services.starter.requireAllowedMode(mode, 'mode');
  await session.amend({ permissionMode: mode }, () => answerStatus(context, sessionStatusOf(session.state)));
}

export async function setWorkingDirectory(
  context: RequestContext,
  data: ClientData<'setWorkingDirectory'>,
): Promise<void> {
  const { connection } = context;
  const directory = directoryOf(connection, data.workingDirectory, 'workingDirectory');
  const { path } = await connection.services.workspace.resolveDirectory(directory.path, directory);
  connection.workingDirectory = path;
  answer(context, 'workingDirectorySet', { workingDirectory: path, success: true });
}

export async function permission(context: RequestContext, data: ClientData<'permission'>): Promise<void> {
  const { connection } = context;
  const session = sessionOf(connection, data.sessionId);
  const { deviceId } = connection.device;
  await session.answerPermission({ answer: data, deviceId }, ({ permissionId, decision }) => {
    if (decision === 'allow' || decision === 'deny') answer(context, 'permissionAccepted', { permissionId, decision });
  });
}

export async function getMessageHistory(context: RequestContext, data: ClientData<'getMessageHistory'>): Promise<void> {
  const { sessionId, ...range } = data;
  const session = sessionOf(context.connection, sessionId);
  const { journal } = context.connection.services;
  answer(context, 'getMessageHistory', await readHistory({ session, journal, range }));
}
