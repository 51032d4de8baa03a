import type { ClientData } from '../../protocol/client-frames.js';
import { rewindSession } from '../../services/commands/rewind.js';
import * as commands from '../../services/commands/session.js';
import { startSession } from '../../services/commands/start-session.js';
import { sessionStatusOf } from '../../services/sessions/machine/session-state.js';
import type { Session } from '../../services/sessions/session.js';
import { answer, answerStatus, callerOf, directoryOf, type RequestContext } from './request-context.js';

export async function streamStart(context: RequestContext, data: ClientData<'streamStart'>): Promise<void> {
  const { services, delivery } = context.connection;
  const { prompt, workingDirectory = '.', options = {}, attachments } = data;
  const directory = directoryOf(context.connection, workingDirectory, 'workingDirectory');
  const input = { caller: callerOf(context), directory, prompt, attachments, options };
  await startSession(services, input, (started) => {
    // Recorded before the answer: after a crash the device must be found subscribed. Frames follow later. If the daemon
    // dies before it is recorded, the client repeats the request, and all events of the prompt are still owed.
    if (started.answer.reused) services.metrics.sessionsReused.inc();
    delivery.join(started.session.id, started.head);
    answer(context, 'streamStarted', started.answer);
  });
}

const answerWithStatus = (context: RequestContext) => (session: Session) =>
  answerStatus(context, sessionStatusOf(session.state));

export async function streamClose(context: RequestContext, data: ClientData<'streamClose'>): Promise<void> {
  const { services } = context.connection;
  await commands.closeSession(services, { caller: callerOf(context), ...data }, answerWithStatus(context));
}

export async function interrupt(context: RequestContext, data: ClientData<'interrupt'>): Promise<void> {
  const { services } = context.connection;
  const reply = (interrupted: Parameters<typeof answer<'interrupted'>>[2]) =>
    answer(context, 'interrupted', interrupted);
  await commands.interruptTurn(services, { caller: callerOf(context), ...data }, reply);
}

export async function rewind(context: RequestContext, data: ClientData<'rewind'>): Promise<void> {
  const { services } = context.connection;
  await rewindSession(services, { caller: callerOf(context), ...data }, (rewound) =>
    answer(context, 'rewound', rewound),
  );
}

export async function setModel(context: RequestContext, { sessionId, model }: ClientData<'setModel'>): Promise<void> {
  const { services } = context.connection;
  const input = { caller: callerOf(context), sessionId, changes: { model } };
  await commands.changeSession(services, input, answerWithStatus(context));
}

export async function setPermissionMode(context: RequestContext, data: ClientData<'setPermissionMode'>): Promise<void> {
  const { services } = context.connection;
  const { sessionId, mode } = data;
  const input = { caller: callerOf(context), sessionId, changes: { permissionMode: mode }, modeField: 'mode' };
  await commands.changeSession(services, input, answerWithStatus(context));
}

export async function setEffort(context: RequestContext, data: ClientData<'setEffort'>): Promise<void> {
  const { services } = context.connection;
  await commands.setEffort(services, { caller: callerOf(context), ...data }, () => answer(context, 'setEffort', data));
}

export async function setThinking(context: RequestContext, data: ClientData<'setThinking'>): Promise<void> {
  const { services } = context.connection;
  const { sessionId, maxTokens } = data;
  const reply = () => answer(context, 'setThinking', { sessionId, ...(maxTokens !== undefined && { maxTokens }) });
  await commands.setThinking(services, { caller: callerOf(context), sessionId, maxTokens }, reply);
}

export async function addDirectory(context: RequestContext, data: ClientData<'addDirectory'>): Promise<void> {
  const { services } = context.connection;
  await commands.addDirectory(services, { caller: callerOf(context), ...data }, (added) =>
    answer(context, 'addDirectory', added),
  );
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
  const { services } = context.connection;
  await commands.answerPermission(services, { caller: callerOf(context), ...data }, ({ permissionId, decision }) => {
    if (decision === 'allow' || decision === 'deny') answer(context, 'permissionAccepted', { permissionId, decision });
  });
}

export async function getMessageHistory(context: RequestContext, data: ClientData<'getMessageHistory'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'getMessageHistory', await commands.readMessages(services, { caller: callerOf(context), ...data }));
}
