import { type ChildProcess, spawn } from 'node:child_process';
import type { EventData } from '../../protocol/events.js';
import type { SessionId, SessionStatus } from '../../protocol/scalars.js';
import type { Log } from '../ports/log.js';
import type { Publication, Publisher } from '../ports/publication.js';

export interface KeepAwakeOptions {
  /** When off, or on any system but macOS, nothing is started. */
  setting: 'on' | 'off';
  platform: NodeJS.Platform;
  /** `caffeinate`, or a substitute. */
  program: string;
  log: Log;
}

/** A waiting turn counts too: its person answers remotely, and a sleeping machine cannot receive the answer. */
const TURN_RUNS: ReadonlySet<SessionStatus> = new Set(['working', 'waiting']);

/**
 * Keeps a Mac awake while a turn runs: one `caffeinate` for all turns, which also ends with this process, however that
 * ends (`-w`). Implemented from the manual page `caffeinate(8)`; not run on a Mac.
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

  /** Wraps the publisher and observes every published status. */
  observe(publisher: Publisher): Publisher {
    if (!this.#isOn) return publisher;
    return {
      publish: (session, items) => {
        for (const item of items) this.#take(item);
        publisher.publish(session, items);
      },
      isNamed: (owner, type) => publisher.isNamed(owner, type),
      opened: (session) => publisher.opened(session),
      forgotten: (sessionId) => {
        this.see(sessionId, 'closed');
        return publisher.forgotten(sessionId);
      },
    };
  }

  /** Records a session's status. */
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

  /** A `caffeinate` that exited early is restarted only here, since it can exit early every time. */
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
      // It needs nothing from the daemon's environment.
      const child = spawn(this.#options.program, ['-i', '-w', String(process.pid)], { stdio: 'ignore', env: {} });
      const forget = () => {
        if (this.#process === child) this.#process = undefined;
      };
      // The second `error` listener reports the problem.
      child.once('exit', forget).on('error', forget).on('error', onError);
      child.unref();
      return child;
    } catch (error) {
      // An unusual failure (such as `ENOMEM`) is thrown, and must not reach the publisher's caller.
      onError(error);
      return undefined;
    }
  }

  #tellOnce({ message }: Error): void {
    if (!this.#hasFailed) this.#options.log.warn('the machine cannot be kept awake during a turn', { error: message });
    this.#hasFailed = true;
  }

  #stop(): void {
    this.#process?.kill();
    this.#process = undefined;
  }
}
