/** Frames that the child of a session answers, beside its turns. */
import type { ClientData } from '../../protocol/client-frames.js';
import * as commands from '../../services/commands/ask-child.js';
import { answer, callerOf, type RequestContext } from './request-context.js';

export async function sessionCapabilities(
  context: RequestContext,
  data: ClientData<'sessionCapabilities'>,
): Promise<void> {
  const { services } = context.connection;
  const input = { caller: callerOf(context), ...data };
  answer(context, 'sessionCapabilities', await commands.readCapabilities(services, input));
}

export async function suggestFiles(context: RequestContext, data: ClientData<'suggestFiles'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'suggestFiles', await commands.suggestFiles(services, { caller: callerOf(context), ...data }));
}

export async function contextUsage(context: RequestContext, data: ClientData<'contextUsage'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'contextUsage', await commands.readContextUsage(services, { caller: callerOf(context), ...data }));
}

export async function sideQuestion(context: RequestContext, data: ClientData<'sideQuestion'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'sideQuestion', await commands.askBeside(services, { caller: callerOf(context), ...data }));
}
