import type { ClientData, ClientFrame, ClientFrameType } from '../../protocol/client-frames.js';
import * as device from './device-frames.js';
import * as prompts from './prompt-frames.js';
import type { RequestContext } from './request-context.js';
import * as sessions from './session-frames.js';

type Handlers = { [T in ClientFrameType]: (context: RequestContext, data: ClientData<T>) => Promise<void> };

/** Each answers its frame once, or throws the error to answer with. */
const HANDLERS: Handlers = {
  subscribe: device.subscribe,
  unsubscribe: device.unsubscribe,
  ack: device.ack,
  streamStart: sessions.streamStart,
  streamSend: prompts.streamSend,
  cancelPrompt: prompts.cancelPrompt,
  interrupt: sessions.interrupt,
  streamClose: sessions.streamClose,
  permission: sessions.permission,
  setModel: sessions.setModel,
  setPermissionMode: sessions.setPermissionMode,
  setWorkingDirectory: sessions.setWorkingDirectory,
  claudeCommand: prompts.claudeCommand,
  ask: prompts.ask,
  getMessageHistory: sessions.getMessageHistory,
  registerDevice: device.registerDevice,
  clientBackgrounding: device.presence('background'),
  clientForegrounding: device.presence('foreground'),
  reauthenticate: device.reauthenticate,
  ping: device.ping,
};

export function handleFrame(context: RequestContext, frame: ClientFrame): Promise<void> {
  const handler = HANDLERS[frame.type] as (context: RequestContext, data: ClientFrame['data']) => Promise<void>;
  return handler(context, frame.data);
}
