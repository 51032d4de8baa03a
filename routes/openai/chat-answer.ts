import type { Response } from 'express';
import { nanoid } from 'nanoid';
import type { CompanionError } from '../../protocol/error-codes.js';
import type { ChatCompletion, ChatRequest } from '../../protocol/openai.js';
import type { ChatEnd, ChatListener, ChatPiece } from '../../services/ports/chat.js';
import { openAiError, requestIdOf } from '../http/http-errors.js';
import { AnswerStream } from './answer-stream.js';
import { chatUsage, failureOf, finishReason } from './chat-end.js';
import { ChatText } from './chat-text.js';

interface AnswerOptions {
  response: Response;
  request: Pick<ChatRequest, 'model' | 'stream' | 'stream_options' | 'session_id' | 'show_tools'>;
  /** Epoch milliseconds. */
  now: () => number;
  /** The turn has ended without an answer, of which nothing was sent. */
  onFailure: (error: CompanionError) => void;
}

/**
 * The answer to a client of OpenAI's API: whole, or as events while it is written. The status of a stream is sent with
 * its first text, so that an error before it has its own.
 */
export class ChatAnswer implements ChatListener {
  readonly #options: AnswerOptions;
  readonly #text: ChatText;
  readonly #id = `chatcmpl-${nanoid()}`;
  readonly #created: number;
  readonly #stream: AnswerStream | undefined;
  #whole = '';
  #isOver = false;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.#text = new ChatText(options.request.show_tools ?? false);
    this.#created = Math.floor(options.now() / 1000);
    if (options.request.stream) this.#stream = new AnswerStream(options.response);
    options.response.once('close', () => this.close());
  }

  onPiece(piece: ChatPiece): void {
    if (this.#isOver) return;
    const content = this.#text.take(piece);
    if (content !== '') this.#say(content);
  }

  onEnd(end: ChatEnd): void {
    if (this.#isOver) return;
    const failure = failureOf(end, this.#options.now());
    if (failure) this.fail(failure);
    else this.#complete(end);
  }

  #complete(end: ChatEnd): void {
    // Commands of the CLI answer without Claude. A turn that was cut short has the CLI's own words about that instead.
    if (this.#text.isEmpty && finishReason(end) === 'stop' && end.finalResult !== '') this.#say(end.finalResult);
    this.close();
    if (this.#stream) this.#endStream(this.#stream, end);
    else this.#options.response.json(this.#completion(end));
  }

  /** Ends the answer with an error, in the stream if that has begun. */
  fail(error: CompanionError): void {
    if (this.#isOver) return;
    this.close();
    const { response, onFailure } = this.#options;
    if (!response.headersSent) onFailure(error);
    else response.end(`data: ${JSON.stringify(openAiError(error, requestIdOf(response)))}\n\n`);
  }

  close(): void {
    this.#isOver = true;
    this.#stream?.close();
  }

  #say(content: string): void {
    if (!this.#stream) {
      this.#whole += content;
      return;
    }
    const isFirst = !this.#options.response.headersSent;
    this.#chunk([{ index: 0, delta: { ...(isFirst && { role: 'assistant' }), content }, finish_reason: null }]);
  }

  #endStream(stream: AnswerStream, end: ChatEnd): void {
    const { request } = this.#options;
    this.#chunk([{ index: 0, delta: {}, finish_reason: finishReason(end) }]);
    if (request.stream_options?.include_usage) this.#chunk([], { usage: chatUsage(end) });
    stream.end('data: [DONE]\n\n');
  }

  #chunk(choices: object[], more: { usage?: object } = {}): void {
    const { model, stream_options: options } = this.#options.request;
    const usage = options?.include_usage ? { usage: null, ...more } : {};
    const chunk = { id: this.#id, object: 'chat.completion.chunk', created: this.#created, model, choices };
    this.#stream?.write(`data: ${JSON.stringify({ ...chunk, ...usage, ...this.#session })}\n\n`);
  }

  #completion(end: ChatEnd): ChatCompletion {
    const { model } = this.#options.request;
    const message = { role: 'assistant' as const, content: this.#whole, refusal: null };
    return {
      id: this.#id,
      object: 'chat.completion',
      created: this.#created,
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(end) }],
      usage: chatUsage(end),
      ...this.#session,
      ...(end.cost !== undefined && { cost: end.cost }),
    };
  }

  get #session(): { session_id?: string } {
    const { session_id: sessionId } = this.#options.request;
    return sessionId ? { session_id: sessionId } : {};
  }
}
