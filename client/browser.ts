/** The public entry `claude-companion/client` for browsers. */
export type { ClientData, ClientFrameType, ClientInput, Cursor } from '../protocol/client-frames.js';
export { CLOSE, CompanionError, type ErrorCode, type ErrorDetails } from '../protocol/error-codes.js';
export type { EventData, EventType } from '../protocol/events.js';
export type { AnswerData, AnswerType, PositionedData, PositionedFrame } from '../protocol/server-frames.js';
export type { BackoffRange } from './after-connection.js';
export { type BrowserClientOptions, createBrowserClient } from './browser-client.js';
export type { StandardWebSocket, WebSocketConstructor } from './browser-socket.js';
export type { CompanionClientEvents, RequestOptions } from './client-core.js';
export type { ClientCommands, CompanionClient, SendRequest } from './companion-client.js';
export type { CompanionClientOptions, DaemonAddress } from './companion-client-options.js';
export type { ConnectionState } from './connection.js';
export { type CursorStore, createMemoryCursorStore } from './cursor-store.js';
export type { ClientFault } from './errors.js';
export { ConnectionError, type ConnectionErrorReason, MalformedFrameError } from './errors.js';
export type { AnswerFrame, AnswerTo, RequestType } from './requests.js';
export type { ClientEvent, EventPlace, UnplacedFrame } from './server-frame.js';
export { TextAssembler, type TextPiece } from './text-assembler.js';
export { createTokenRenewer, type TokenRenewerOptions } from './token-renewal.js';
