import type { Log } from '../../ports/log.js';

/** A receiver that is away for a day is a line every ten minutes. */
const QUIET_MS = 600_000;
/** What the words of the SDK begin with says what is wrong; values come behind one of these. */
const VALUE = /["'`({=]/;
const MAX_WORDS = 120;

/**
 * Logs why traces are not sent, seldom. What the receiver has answered, and values of settings, can hold its
 * credentials: neither is logged.
 */
export class ExportProblems {
  readonly #log: Log;
  readonly #now: () => number;
  /** When it was last logged, by kind. */
  readonly #told = new Map<string, number>();
  #untold = 0;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  failed(error: unknown): void {
    this.#tell('failed', 'traces cannot be sent', kindOf(error));
  }

  /** The words of a line of the SDK's own log; those of a part of it begin with the name of that part. */
  said(words: readonly unknown[]): void {
    const text = words.find((word) => typeof word === 'string' && word.includes(' '));
    this.#tell('said', 'OpenTelemetry has a problem', typeof text === 'string' ? beginOf(text) : 'unknown');
  }

  #tell(kind: string, message: string, problem: string): void {
    const now = this.#now();
    const last = this.#told.get(kind);
    if (last !== undefined && now >= last && now - last < QUIET_MS) {
      this.#untold += 1;
      return;
    }
    this.#told.set(kind, now);
    this.#log.warn(message, { problem, ...(this.#untold > 0 && { untold: this.#untold }) });
    this.#untold = 0;
  }
}

const beginOf = (text: string): string => (text.split(VALUE)[0] ?? '').trim().slice(0, MAX_WORDS);

/** A status of HTTP, a code of the system, or what the SDK itself says. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && ['string', 'number'].includes(typeof error.code))
    return String(error.code).slice(0, MAX_WORDS);
  return error.constructor === Error ? beginOf(error.message) : error.name;
}
