import { type ChildProcess, spawn } from 'node:child_process';
import type { EventData } from '../../protocol/events.js';
import type { SessionId, SessionStatus } from '../../protocol/scalars.js';
import type { Log } from '../ports/log.js';
import type { Publication, Publisher } from '../ports/publication.js';

export interface KeepAwakeOptions {
  /** Off, or on another system than macOS, nothing is ever started. */
  setting: 'on' | 'off';
  platform: NodeJS.Platform;
  /** `caffeinate`, or what stands for it. */
  program: string;
  log: Log;
}

/** One that waits counts too: its person answers from afar, and a machine that sleeps cannot be answered. */
const TURN_RUNS: ReadonlySet<SessionStatus> = new Set(['working', 'waiting']);

/**
 * Keeps a Mac from going to sleep while a turn runs: one `caffeinate` for all, which the system also ends when this
 * process is gone, however it went (`-w`). Written after the manual page `caffeinate(8)`; not run on a Mac.
 */
export class KeepAwake {
  readonly #options: KeepAwakeOptions;
  readonly #working = new Set<SessionId>();
  readonly #isOn: boolean;
  #process: ChildProcess | undefined;
  #hasFailed = false;
  #closed = false;

  constructor(options: KeepAwakeOptions) {
    this.#options = options;
    this.#isOn = options.setting === 'on' && options.platform === 'darwin';
  }

  /** The publisher, with every status that it is given looked at. */
  observe(publisher: Publisher): Publisher {
    if (!this.#isOn) return publisher;
    return {
      publish: (session, items) => {
        for (const item of items) this.#take(item);
        publisher.publish(session, items);
      },
      opened: (session) => publisher.opened(session),
      forgotten: (sessionId) => {
        this.see(sessionId, 'closed');
        return publisher.forgotten(sessionId);
      },
    };
  }

  /** A session has this status now. */
  see(sessionId: SessionId, status: SessionStatus): void {
    if (!this.#isOn || this.#closed) return;
    if (!TURN_RUNS.has(status)) this.#end(sessionId);
    else if (!this.#working.has(sessionId)) this.#begin(sessionId);
  }

  /** Lets the machine sleep. */
  close(): void {
    this.#closed = true;
    this.#working.clear();
    this.#stop();
  }

  #take(item: Publication): void {
    if (item.kind !== 'event' || item.event.type !== 'sessionStatus') return;
    const { sessionId, status } = JSON.parse(item.event.data) as EventData<'sessionStatus'>;
    this.see(sessionId as SessionId, status);
  }

  /** One that ended too early is started again here, and not before: it may do so each time. */
  #begin(sessionId: SessionId): void {
    this.#working.add(sessionId);
    this.#process ??= this.#start();
  }

  #end(sessionId: SessionId): void {
    this.#working.delete(sessionId);
    if (this.#working.size === 0) this.#stop();
  }

  #start(): ChildProcess | undefined {
    const onError = (error: unknown) => this.#tellOnce(error as Error);
    try {
      // Nothing of the daemon's environment concerns it.
      const child = spawn(this.#options.program, ['-i', '-w', String(process.pid)], { stdio: 'ignore', env: {} });
      const forget = () => {
        if (this.#process === child) this.#process = undefined;
      };
      // What is wrong is told by the second of its listeners.
      child.once('exit', forget).on('error', forget).on('error', onError);
      child.unref();
      return child;
    } catch (error) {
      // What is not among the usual failures (`ENOMEM`, for one) is thrown, and whoever publishes must not get it.
      onError(error);
      return undefined;
    }
  }

  #tellOnce({ message }: Error): void {
    if (!this.#hasFailed) this.#options.log.warn('the machine may go to sleep in mid-turn', { error: message });
    this.#hasFailed = true;
  }

  #stop(): void {
    this.#process?.kill();
    this.#process = undefined;
  }
}
