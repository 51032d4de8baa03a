import type { ClientData } from '../../protocol/client-frames.js';
import * as commands from '../../services/commands/tasks.js';
import { answer, callerOf, type RequestContext } from './request-context.js';

export async function getTaskOutput(context: RequestContext, data: ClientData<'getTaskOutput'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'getTaskOutput', await commands.readTaskOutput(services, { caller: callerOf(context), ...data }));
}

export async function stopTask(context: RequestContext, data: ClientData<'stopTask'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'stopTask', await commands.stopTask(services, { caller: callerOf(context), ...data }));
}

export async function backgroundTask(context: RequestContext, data: ClientData<'backgroundTask'>): Promise<void> {
  const { services } = context.connection;
  answer(context, 'backgroundTask', await commands.backgroundTask(services, { caller: callerOf(context), ...data }));
}
