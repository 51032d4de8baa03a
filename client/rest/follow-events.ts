import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Call } from './operation.js';
import { pauseBefore } from './retries.js';
import { waitFor } from './wait-for.js';

interface Following {
  call: Call;
  open: (call: Call) => Promise<Response>;
  /** Of the first connection; later ones are tried as long as somebody reads. */
  retries: number;
}

/** Three heartbeats of the daemon. */
const SILENT_MS = 45_000;
/** A connection that was open for this long, or brought an event, was good: a failure begins a new series of tries. */
const HELD_MS = 5000;

interface Said {
  type: string;
  sessionId?: string;
}

/**
 * The events of a stream. When a connection ends, another one asks for what comes after the last durable event: none is
 * missed and none comes twice. Text of a block that is being written can come again as `delta`, with its `offset`.
 */
export async function* followEvents({ call, open, retries }: Following): AsyncGenerator<object, void, undefined> {
  const { signal } = call.input;
  const reader = new Reader(call, open);
  for (let attempt = 1; ; attempt += 1) {
    const began = performance.now();
    const before = reader.lastId;
    let failure: unknown;
    try {
      yield* reader.connection();
      if (reader.isComplete) return;
    } catch (error) {
      failure = error;
    }
    if (signal?.aborted) throw signal.reason;
    if (reader.lastId !== before || performance.now() - began >= HELD_MS) attempt = 1;
    await waitFor(pauseAfter(failure, { call, attempt, most: reader.wasOpen ? undefined : retries }), signal);
  }
}

interface Tried {
  call: Call;
  attempt: number;
  most: number | undefined;
}

/** Throws the failure where trying again cannot help. */
function pauseAfter(failure: unknown, { call, attempt, most }: Tried): number {
  const pause = pauseBefore(attempt, call, failure);
  if (pause === undefined || (most !== undefined && attempt > most)) throw failure;
  return pause;
}

class Reader {
  readonly #call: Call;
  readonly #open: (call: Call) => Promise<Response>;
  /** Of the last durable event. */
  lastId: string | undefined;
  wasOpen = false;
  /** The stream has come to its own end. */
  isComplete = false;

  constructor(call: Call, open: (call: Call) => Promise<Response>) {
    this.#call = call;
    this.#open = open;
  }

  /** The events of one connection, until it ends. */
  async *connection(): AsyncGenerator<object, void, undefined> {
    const closing = new AbortController();
    let wasTold = false;
    try {
      const { body } = await this.#open(this.#positioned(closing.signal));
      this.wasOpen = true;
      // 204: after its end nothing more comes.
      this.isComplete = body === null;
      if (body === null) return;
      for await (const { id, data } of messagesIn(body, closing)) {
        const event = JSON.parse(data) as Said;
        // An error of the stream itself: the answer to the next request says whether it can go on.
        if (event.type === 'error' && event.sessionId === undefined) return;
        if (id !== undefined) this.lastId = id;
        wasTold ||= event.type === 'complete';
        yield event;
      }
      this.isComplete = wasTold && this.#call.ends === true;
    } finally {
      closing.abort();
    }
  }

  #positioned(closing: AbortSignal): Call {
    const { signal } = this.#call.input;
    const position = this.lastId === undefined ? {} : { 'last-event-id': this.lastId };
    return {
      ...this.#call,
      headers: { accept: 'text/event-stream', ...position },
      input: { ...this.#call.input, signal: signal ? AbortSignal.any([signal, closing]) : closing },
    };
  }
}

/** Ends the connection when nothing has come for too long. */
async function* messagesIn(
  body: ReadableStream<Uint8Array>,
  closing: AbortController,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  let parsed: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => parsed.push(message) });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const silence = setTimeout(() => closing.abort(new Error('The daemon has said nothing.')), SILENT_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
    const messages = parsed;
    parsed = [];
    yield* messages;
  }
}
