import type { Response } from 'express';
import { STALL_TIMEOUT_MS } from '../../protocol/limits.js';

const HEARTBEAT_MS = 15_000;

/** An answer as events. Its status is sent with the first of them. */
export class AnswerStream {
  readonly #response: Response;
  readonly #heartbeat: NodeJS.Timeout;
  /** When the reader was last seen to take nothing. */
  #stalledAt: number | undefined;

  constructor(response: Response) {
    this.#response = response;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
    response.once('close', () => this.close());
  }

  /** Sends the status, although there is nothing else to send. */
  begin(): void {
    this.#writeHead();
    this.#response.flushHeaders();
  }

  write(text: string): void {
    this.#writeHead();
    this.#response.write(text);
  }

  /** Whatever is written meanwhile goes out at once: a reader that is woken for each event takes time from the CLI. */
  together(write: () => void): void {
    this.#response.cork();
    write();
    this.#response.uncork();
  }

  #writeHead(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform',
      'X-Accel-Buffering': 'no',
    });
  }

  /** Sends the last event, if there is one. */
  end(text = ''): void {
    this.close();
    this.write(text);
    this.#response.end();
  }

  /** There is nothing more to send. */
  close(): void {
    clearInterval(this.#heartbeat);
  }

  /** A comment, which clients ignore. A reader that takes nothing for long is disconnected. */
  #beat(): void {
    const now = performance.now();
    this.#stalledAt = this.#response.writableNeedDrain ? (this.#stalledAt ?? now) : undefined;
    if (this.#stalledAt !== undefined && now - this.#stalledAt >= STALL_TIMEOUT_MS) this.#response.destroy();
    else if (this.#stalledAt === undefined) this.write(': still here\n\n');
  }
}
