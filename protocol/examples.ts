/** Requests as a client sends them, for the documents. A test sends each of them to a daemon. */
import type { ClientFrameType } from './client-frames.js';
import type { RestCommand } from './commands/rest.js';

/** Bodies. */
export const REST_EXAMPLES: { readonly [C in RestCommand]?: unknown } = {
  createSession: { folderName: 'shop', sessionName: 'The shop', permissionMode: 'default' },
  changeSession: { sessionName: 'The checkout of the shop', tag: 'web' },
  interruptSession: { holdQueue: false },
  createFile: { content: '# Notes\n' },
  replaceFile: { content: '# Notes\n\n- call the bank\n' },
  addBudget: { of: 'person', period: 'day', dollars: 20, stop: true },
  registerPush: { deviceId: 'my-phone', token: 'the-topic-of-my-phone', platform: 'ntfy' },
  changePushPreferences: { deviceId: 'my-phone', preferences: { quietHours: null } },
};

const frame = (type: ClientFrameType, data: object) => ({ type, requestId: `my-${type}`, data });

const SESSION = { sessionId: 'V1StGXR8_Z5jdHi6B-myT' };

/** Whole frames; a client has its own request and session ids. */
export const FRAME_EXAMPLES: { readonly [T in ClientFrameType]?: object } = {
  ping: frame('ping', {}),
  subscribe: frame('subscribe', { events: ['*'] }),
  streamStart: frame('streamStart', { prompt: 'Say hello.', workingDirectory: 'shop' }),
  streamSend: frame('streamSend', { ...SESSION, prompt: 'Say it again.' }),
  getMessageHistory: frame('getMessageHistory', { ...SESSION, limit: 20 }),
  setModel: frame('setModel', { ...SESSION, model: 'sonnet' }),
  setPermissionMode: frame('setPermissionMode', { ...SESSION, mode: 'plan' }),
  suggestFiles: frame('suggestFiles', { ...SESSION, query: 'READ' }),
  contextUsage: frame('contextUsage', SESSION),
  interrupt: frame('interrupt', SESSION),
};
