import { Worker } from 'node:worker_threads';
import type { Log } from '../../ports/log.js';
import type { PushPlatform, PushSender, SendOutcome } from '../../ports/push.js';
import type { WebhookAnswer, WebhookPost } from '../webhooks/webhook-sender.js';
import type { PushJob, SenderReport, SenderRequest, SenderSettings, WebhookJob } from './sender-worker.js';

export interface SenderThreadOptions {
  /** The built `sender-worker`. */
  script: string;
  settings: SenderSettings;
  log: Log;
}

interface Waiting {
  /** Of a push. */
  platform?: PushPlatform;
  /** The thread has reported an outcome, or has ended without one. */
  settle: (outcome: SenderReport['outcome'] | NoReport) => void;
}

type Problem = PushSender['problem'];

/** Time after which an idle thread ends, which frees its memory: longer than Apple demands between provider tokens. */
const IDLE_MS = 30 * 60_000;
/** Delay before the next start after one without an outcome; it doubles each time. */
const RESTART_MS = 1000;
const MAX_RESTART_MS = 60_000;
/** Time for pushes in flight when the thread is closed: the senders' own, and the end of the thread. */
const CLOSE_MS = 1200;
/** MiB: the thread holds the pushes in flight, and the code of its senders. */
const LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 4 };

/**
 * The thread that sends pushes and messages of webhooks, started with the first one. HTTP/2, TLS, signing and encryption would otherwise keep
 * streams waiting. When it ends, the pushes in flight are to be sent again, and the next push starts another.
 */
export class SenderThread {
  readonly #options: SenderThreadOptions;
  readonly #waiting = new Map<number, Waiting>();
  /** Requests of this turn: they are handed over together, since each message wakes the thread. */
  #batch: SenderRequest[] = [];
  /** The last report of each sender. */
  readonly #problems = new Map<PushPlatform, NonNullable<Problem>>();
  #worker: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();
  #nextId = 0;
  #failures = 0;
  #startsAt = Number.NEGATIVE_INFINITY;
  #failure: Problem;
  #idle: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SenderThreadOptions) {
    this.#options = options;
  }

  /** The sender of one service. `ownProblem`: what the settings lack, which is known without the thread. */
  senderFor(platform: PushPlatform, ownProblem: () => Problem = () => undefined): PushSender {
    const problem = () => ownProblem() ?? this.#failure ?? this.#problems.get(platform);
    return {
      platform,
      get problem() {
        return problem();
      },
      // The thread answers a push with the outcome of its sender.
      send: (registration, message) => this.#send({ platform, registration, message }) as Promise<SendOutcome>,
      close: () => this.close(),
    };
  }

  /** Sends a message of a webhook. Never rejects. */
  async post(message: WebhookPost): Promise<WebhookAnswer> {
    const outcome = (await this.#send({ post: message })) as WebhookAnswer | NoReport;
    if (outcome.kind !== 'retry') return outcome;
    if (outcome === CLOSING) return { kind: 'closed' };
    return { kind: 'failed', failure: 'internal', detail: outcome.reason };
  }

  /** Pushes in flight have about a second; the rest are to be sent again. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  #send(job: PushJob | WebhookJob): Promise<SenderReport['outcome'] | NoReport> {
    if (this.#closing) return Promise.resolve(CLOSING);
    const restMs = this.#startsAt - performance.now();
    if (!this.#worker && restMs > 0) return Promise.resolve({ ...NOT_RUNNING, afterMs: Math.ceil(restMs) });
    return new Promise((resolve) => {
      this.#nextId += 1;
      const id = this.#nextId;
      this.#waiting.set(id, { settle: resolve, ...('platform' in job && { platform: job.platform }) });
      clearTimeout(this.#idle);
      if (this.#batch.length === 0) queueMicrotask(() => this.#post());
      this.#batch.push({ id, ...job });
    });
  }

  #post(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (this.#closing) {
      // A thread that is started now would not be told to close.
      for (const { id } of batch) this.#settle(id, CLOSING);
      return;
    }
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(batch);
    } catch (error) {
      // No thread is available (`ERR_WORKER_INIT_FAILED`).
      this.#failed(error);
      for (const { id } of batch) this.#settle(id, NOT_RUNNING);
    }
  }

  #start(): Worker {
    const { script, settings } = this.#options;
    // Its output would be the daemon's.
    const worker = new Worker(script, { workerData: settings, resourceLimits: LIMITS, stdout: true, stderr: true });
    worker.unref();
    worker.stdout.resume();
    worker.stderr.resume();
    worker.on('message', (reports: SenderReport[]) => {
      for (const report of reports) this.#report(report);
    });
    worker.on('error', (error) => this.#failed(error));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#onExit(worker);
        resolve();
      });
    });
    return worker;
  }

  #report({ id, outcome, problem }: SenderReport): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#failures = 0;
    this.#failure = undefined;
    const { platform } = waiting;
    if (platform && problem) this.#problems.set(platform, problem);
    else if (platform) this.#problems.delete(platform);
    this.#settle(id, outcome);
  }

  #settle(id: number, outcome: SenderReport['outcome'] | NoReport): void {
    this.#waiting.get(id)?.settle(outcome);
    this.#waiting.delete(id);
    if (this.#waiting.size > 0) return;
    this.#idle = setTimeout(() => this.#rest(), IDLE_MS).unref();
  }

  #onExit(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    if (this.#waiting.size === 0) return;
    // Also after an exit without an error.
    if (!this.#closing && !this.#failure) this.#failed(undefined);
    for (const id of Array.from(this.#waiting.keys())) this.#settle(id, this.#closing ? CLOSING : ENDED);
  }

  /** The text of an error can contain what the thread had in hand: only its code is kept. */
  #failed(error: unknown): void {
    const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
    const why = [code, name].find((one) => typeof one === 'string') ?? 'it ended by itself';
    this.#failures += 1;
    this.#startsAt = performance.now() + Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** (this.#failures - 1));
    this.#failure = {
      message: `the thread that sends pushes does not run (${String(why)})`,
      remedy: 'It is started again with the next push. If that does not help, build again and restart the daemon.',
    };
    this.#options.log.error('the thread that sends pushes ended', { error: why });
  }

  #rest(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    if (!worker) return;
    worker.postMessage('close');
    const late = setTimeout(() => void worker.terminate(), CLOSE_MS);
    await this.#ended;
    clearTimeout(late);
  }
}

type NoReport = Extract<SendOutcome, { kind: 'retry' }>;

const NOT_RUNNING = { kind: 'retry', reason: 'the sender does not run' } as const;
const ENDED = { kind: 'retry', reason: 'the sender ended' } as const;
const CLOSING = { kind: 'retry', reason: 'closing' } as const;
