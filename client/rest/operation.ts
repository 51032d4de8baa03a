import type { StreamEvent, StreamEventName } from '../../protocol/event-stream.js';
import type {
  AnswerJson,
  BodyOf,
  OperationName,
  ParametersOf,
  PlaceOf,
  QueryOf,
  TakesBytes,
} from '../../protocol/rest-types.js';

type Params<C extends OperationName> = [ParametersOf<C>] extends [never]
  ? unknown
  : { params: Readonly<Record<ParametersOf<C>, string>> };

type Query<C extends OperationName> = [QueryOf<C>] extends [never] ? unknown : AsNeeded<'query', QueryOf<C>>;

type Body<C extends OperationName> = [BodyOf<C>] extends [never]
  ? unknown
  : AsNeeded<'body', BodyOf<C>> | (TakesBytes<C> extends true ? Bytes : never);

interface Bytes {
  /** The file itself instead of a JSON body. */
  bytes: Uint8Array | Blob;
}

type AsNeeded<Part extends string, Value> =
  Record<never, never> extends Value ? { [P in Part]?: Value } : { [P in Part]: Value };

export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason, and a stream ends. */
  signal?: AbortSignal;
  /** As `timeoutMs` of the client, which holds unless this is given. */
  timeoutMs?: number;
}

export interface RequestInput extends CallOptions {
  /** Names a `POST`, which runs once under one key; made up unless given. */
  idempotencyKey?: string;
  /** The `ETag` of the version that may be changed; another one is refused with status 412. */
  ifMatch?: string;
}

/** What an operation is given. */
export type InputOf<C extends OperationName> = Params<C> & Query<C> & Body<C> & RequestInput;

/** What it answers: the parsed JSON, or the response where the answer is something else. See `AsItComes`. */
export type AnswerOf<C extends OperationName> = [AnswerJson<C>] extends [never] ? Response : AnswerJson<C>;

/** An input as it is at run time. */
export interface AnyInput extends RequestInput, Partial<Bytes> {
  params?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  body?: unknown;
}

/** One request to the daemon, as an operation describes it. */
export interface Call {
  method: string;
  /** With its query. */
  path: string;
  input: AnyInput;
  headers?: Readonly<Record<string, string>>;
  /** A stream that comes to an end by itself, after the event `complete`. */
  ends?: boolean;
}

/** What operations are called on: see `createRestClient`. */
export interface RestClient {
  /** Sends one request and resolves with its answer. Rejects with a `RestError`, or with what `fetch` rejects with. */
  send(call: Call): Promise<unknown>;
  /** The events of a stream, over any number of connections. */
  follow(call: Call): AsyncGenerator<object, void, undefined>;
}

type Argument<Input> = Record<never, never> extends Input ? [input?: Input] : [input: Input];

/** Whoever asks for bytes or for events as they come gets the response, whose body has them. */
type AsItComes = { query: { raw: 'true' } } | { query: { stream: 'true' } } | { body: { stream: true } };

type AnswerTo<C extends OperationName, Input> = Input extends AsItComes ? Response : AnswerOf<C>;

/** The function for a request. `at` is its method and path. */
export const operation =
  <C extends OperationName>(at: PlaceOf<C>) =>
  <const Input extends InputOf<C> = InputOf<C>>(
    client: RestClient,
    ...[input]: Record<never, never> extends InputOf<C> ? [input?: Input] : [input: Input]
  ): Promise<AnswerTo<C, Input>> =>
    client.send(callOf(at, input)) as Promise<AnswerTo<C, Input>>;

/** The function for an event stream, with the type of its events. */
export const eventStream =
  <C extends OperationName>(at: PlaceOf<C>, { ends = false } = {}) =>
  (client: RestClient, ...[input]: Argument<InputOf<C>>): AsyncGenerator<AnyStreamEvent, void, undefined> =>
    client.follow({ ...callOf(at, input), ends }) as AsyncGenerator<AnyStreamEvent, void, undefined>;

/** An event of a stream; its `type` tells which. */
export type AnyStreamEvent = { [T in StreamEventName]: StreamEvent<T> }[StreamEventName];

function callOf(at: string, input: AnyInput = {}): Call {
  const [method = '', pattern = ''] = at.split(' ');
  const path = pattern.replace(/([:*])(\w+)/g, (_, kind: string, name: string) => {
    const value = input.params?.[name];
    if (value === undefined || value === '') throw new TypeError(`params.${name} must be given`);
    // `*name` is a path of its own.
    return kind === '*' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value);
  });
  return { method, path: path + queryOf(input.query), input };
}

function queryOf(values: AnyInput['query'] = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, String(value));
  return query.size > 0 ? `?${query.toString()}` : '';
}
