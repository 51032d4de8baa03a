/** An unmodified `eventsource` client, and what it has read. */
import { TransformStream } from 'node:stream/web';
import { EventSource, type FetchLike } from 'eventsource';
import { STREAM_EVENTS, type StreamEventName } from '../../protocol/event-stream.js';
import { TOKEN } from './daemon.js';
import { waitUntil } from './wait-until.js';

/** The fields that tests use most, as the schemas have them; each event has some of them. */
export interface ReadData {
  sessionId: string;
  promptId: string;
  messageId: string;
  epoch: string;
  seq?: number;
  head: number;
  offset: number;
  role: string;
  content: string;
  status: string;
  summary: object;
  error: { details: object };
  [field: string]: unknown;
}

export interface ReadEvent {
  event: StreamEventName;
  /** As the stream has it; empty without one. */
  id: string;
  data: ReadData;
}

/** `fetch` of an address that is a text. */
export type FetchText = (url: string, init: RequestInit) => Promise<Response>;

export interface ReaderOptions {
  /** Of the first request; the client adds its own of those that follow. */
  headers?: Record<string, string>;
  fetch?: FetchText;
  /** The network carries so many blocks, comments included, of each connection, and then breaks it. */
  blocksEach?: number;
  /** Told of every event as it comes. */
  onEvent?: (event: ReadEvent, reader: EventReader) => void;
}

export interface EventReader {
  readonly events: ReadEvent[];
  /** The status of each answer. */
  readonly statuses: number[];
  readonly source: EventSource;
  /** The `Last-Event-ID` of each request. */
  readonly asked: (string | undefined)[];
  of(event: StreamEventName): ReadEvent[];
  waitFor(matches: StreamEventName | ((event: ReadEvent) => boolean)): Promise<ReadEvent>;
  /** The client has given up. */
  closed(): Promise<void>;
  /** Cuts the connection; the client comes back by itself. */
  cut(): void;
  close(): void;
}

export function readEvents(url: string, options: ReaderOptions = {}): EventReader {
  const statuses: number[] = [];
  const asked: (string | undefined)[] = [];
  let cut = () => {};
  const request: FetchLike = async (address, init) => {
    const headers: Record<string, string> = { authorization: `Bearer ${TOKEN}`, ...options.headers, ...init.headers };
    asked.push(headers['Last-Event-ID']);
    const controller = new AbortController();
    init.signal?.addEventListener('abort', () => controller.abort());
    cut = () => controller.abort(new TypeError('the network is down'));
    const response = await (options.fetch ?? fetch)(address.toString(), {
      ...init,
      headers,
      signal: controller.signal,
    });
    statuses.push(response.status);
    return options.blocksEach === undefined ? response : shortened(response, options.blocksEach);
  };
  const source = new EventSource(url, { fetch: request });
  const events: ReadEvent[] = [];
  const take = (message: MessageEvent) => {
    // A failed connection is told in the same way, without data.
    if (typeof message.data !== 'string') return;
    const event = message.type as StreamEventName;
    const data: unknown = JSON.parse(message.data);
    STREAM_EVENTS[event].parse(data);
    const read = { event, id: message.lastEventId, data: data as ReadData };
    events.push(read);
    options.onEvent?.(read, reader);
  };
  for (const event of Object.keys(STREAM_EVENTS)) source.addEventListener(event, take);
  const reader: EventReader = {
    events,
    statuses,
    asked,
    source,
    of: (event) => events.filter((one) => one.event === event),
    waitFor: async (matches) => {
      const isWanted = typeof matches === 'string' ? ({ event }: ReadEvent) => event === matches : matches;
      await waitUntil(`an event comes: ${matches.toString()}`, () => events.some(isWanted));
      return events.find(isWanted) as ReadEvent;
    },
    closed: () => waitUntil('the client has given up', () => source.readyState === source.CLOSED),
    cut: () => cut(),
    close: () => source.close(),
  };
  return reader;
}

/** The first blocks of an answer, whose reader then comes back soon. */
function shortened(response: Response, blocks: number): Response {
  let left = blocks;
  let text = '';
  const cutting = new TransformStream<string, string>({
    transform: (chunk, controller) => {
      text += chunk.replace(/^retry: \d+$/m, 'retry: 1');
      for (let end = text.indexOf('\n\n'); end >= 0 && left > 0; end = text.indexOf('\n\n')) {
        controller.enqueue(text.slice(0, end + 2));
        text = text.slice(end + 2);
        left -= 1;
      }
      if (left === 0) controller.terminate();
    },
  });
  const body = response.body
    ?.pipeThrough(new TextDecoderStream())
    .pipeThrough(cutting)
    .pipeThrough(new TextEncoderStream());
  const { status, headers } = response;
  return status === 204 ? response : new Response(body ?? null, { status, headers });
}
