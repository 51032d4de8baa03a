import type { ClientInput } from '../protocol/client-frames.js';
import type { RequestOptions } from './client-core.js';
import type { AnswerFrame, AnswerTo, RequestType } from './request-rules.js';

/** Sends a request and resolves with the frame that answers it. */
export type SendRequest = <T extends RequestType>(
  type: T,
  data: ClientInput<T>,
  options?: RequestOptions,
) => Promise<AnswerFrame<T>>;

/** A request by name. Resolves with the data of its answer; rejects as `request` does. */
type Command<T extends RequestType> = (data: ClientInput<T>, options?: RequestOptions) => Promise<AnswerTo<T>>;

export interface ClientCommands {
  subscribe: Command<'subscribe'>;
  unsubscribe: Command<'unsubscribe'>;
  /** Joins or opens the directory's session and sends the prompt. Repeated with its request id until it is answered. */
  streamStart: Command<'streamStart'>;
  /** Sends a prompt. Repeated with its request id until it is answered: the daemon accepts it once. */
  streamSend: Command<'streamSend'>;
  cancelPrompt: Command<'cancelPrompt'>;
  interrupt: Command<'interrupt'>;
  streamClose: Command<'streamClose'>;
  /** Answers a permission request. Without a `permissionId` it is not repeated after a lost connection. */
  answerPermission: Command<'permission'>;
  setModel: Command<'setModel'>;
  setPermissionMode: Command<'setPermissionMode'>;
  getMessageHistory: Command<'getMessageHistory'>;
  ping: () => Promise<AnswerTo<'ping'>>;
}

export function createCommands(request: SendRequest): ClientCommands {
  const command =
    <T extends RequestType>(type: T): Command<T> =>
    async (data, options) =>
      (await request(type, data, options)).data;
  const ping = command('ping');
  return {
    subscribe: command('subscribe'),
    unsubscribe: command('unsubscribe'),
    streamStart: command('streamStart'),
    streamSend: command('streamSend'),
    cancelPrompt: command('cancelPrompt'),
    interrupt: command('interrupt'),
    streamClose: command('streamClose'),
    answerPermission: command('permission'),
    setModel: command('setModel'),
    setPermissionMode: command('setPermissionMode'),
    getMessageHistory: command('getMessageHistory'),
    ping: () => ping({}),
  };
}
