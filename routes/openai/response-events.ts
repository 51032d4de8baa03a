import type { Response } from 'express';
import type { ResponseObject } from '../../protocol/responses.js';
import type { ChatEnd, ChatListener, ChatPiece } from '../../services/ports/chat.js';
import { AnswerStream } from './answer-stream.js';
import {
  endedResponse,
  messageIdOf,
  messageOf,
  openResponse,
  type ResponseFacts,
  textPart,
} from './response-object.js';
import { ResponseText } from './response-text.js';

interface EventsOptions {
  response: Response;
  facts: ResponseFacts;
  /** Only events with a greater number are sent. */
  after: number;
  /** When the turn has ended, in epoch milliseconds. */
  endedAt: () => number;
}

const OF_TEXT = { output_index: 0, content_index: 0 };

/**
 * A response as OpenAI's events. The number of an event is its place in the whole answer, where each UTF-16 unit of text
 * counts as one: however the text is cut into deltas, and whichever daemon sends them, the same text has the same
 * numbers. So a reader that comes back with a number gets what follows it and nothing twice, and no number is stored.
 */
export class ResponseEvents implements ChatListener {
  readonly #options: EventsOptions;
  readonly #stream: AnswerStream;
  readonly #text = new ResponseText();
  #next = 0;
  #isOver = false;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#stream = new AnswerStream(options.response);
    const { facts } = options;
    const status = facts.asked.background ? 'queued' : 'in_progress';
    this.#stream.together(() => {
      // For a reader that has everything so far.
      this.#stream.begin();
      this.#send('response.created', { response: openResponse(facts, status) });
      this.#send(`response.${status}`, { response: openResponse(facts, status) });
    });
    options.response.once('close', () => {
      this.#isOver = true;
    });
  }

  onBegun(): void {
    const { facts } = this.#options;
    if (facts.asked.background) this.#send('response.in_progress', { response: openResponse(facts, 'in_progress') });
  }

  onPiece(piece: ChatPiece): void {
    this.#stream.together(() => this.#say(this.#text.take(piece)));
  }

  onEnd(end: ChatEnd): void {
    if (this.#isOver) return;
    const { facts, endedAt } = this.#options;
    this.#say(this.#text.end(end));
    const ended = endedResponse(facts, { end, text: this.#text.whole, endedAt: endedAt() });
    this.#endText(ended);
    this.#send(eventOf(ended), { response: ended });
    this.#isOver = true;
    this.#stream.end();
  }

  /** The number of the event before the text: those of the turn's beginning, and of the message and its part. */
  get #textFrom(): number {
    return this.#options.facts.asked.background ? 4 : 3;
  }

  #say(text: string): void {
    if (this.#isOver || text === '') return;
    const { facts, after } = this.#options;
    const end = this.#textFrom + this.#text.whole.length;
    const begin = end - text.length;
    if (begin === this.#textFrom) {
      this.#next = begin - 1;
      this.#send('response.output_item.added', { output_index: 0, item: messageOf(facts, { status: 'in_progress' }) });
      this.#send('response.content_part.added', { ...this.#place, part: textPart('') });
    }
    this.#next = end;
    const delta = text.slice(Math.max(0, after - begin));
    this.#send('response.output_text.delta', { ...this.#place, delta, logprobs: [] });
  }

  #endText({ output: [item] }: ResponseObject): void {
    // As many numbers are left out where there is no text.
    this.#next = this.#textFrom + this.#text.whole.length + (item ? 1 : 4);
    if (!item) return;
    const { whole: text } = this.#text;
    this.#send('response.output_text.done', { ...this.#place, text, logprobs: [] });
    this.#send('response.content_part.done', { ...this.#place, part: textPart(text) });
    this.#send('response.output_item.done', { output_index: 0, item });
  }

  get #place() {
    return { item_id: messageIdOf(this.#options.facts), ...OF_TEXT };
  }

  #send(type: string, data: object): void {
    const { after } = this.#options;
    const number = this.#next;
    this.#next += 1;
    if (this.#isOver || number <= after) return;
    const event = { type, sequence_number: number, ...data };
    this.#stream.write(`event: ${type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
}

/** OpenAI has no event for a cancelled one. */
function eventOf({ status }: ResponseObject): string {
  if (status === 'completed' || status === 'failed') return `response.${status}`;
  return 'response.incomplete';
}
