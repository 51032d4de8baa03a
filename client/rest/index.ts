/** The public entry `claude-companion/rest`. */
export type { ErrorCode, ErrorDetails } from '../../protocol/error-codes.js';
export type { StreamEvent, StreamEventName } from '../../protocol/event-stream.js';
export type { OperationName } from '../../protocol/rest-types.js';
export type { AnswerOf, AnyStreamEvent, InputOf, RequestInput, RestClient } from './operation.js';
export * from './operations.js';
export { createRestClient, type RestClientOptions } from './rest-client.js';
export { RestError } from './rest-error.js';
