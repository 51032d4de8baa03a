import type { CompanionClient } from '../client/companion-client.js';
import type { ConnectionState } from '../client/connection.js';
import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import type { AskView } from './ask-view.js';
import { NoDaemonError } from './no-daemon-error.js';
import { PermissionDialogue } from './permission-dialogue.js';
import type { TerminalInput } from './terminal-io.js';
import { toolResultLine, toolUseLine } from './tool-line.js';
import { type TurnEnd, TurnFollower } from './turn-follower.js';

export interface AskOutcome extends TurnEnd {
  sessionId: string;
  promptId: string;
}

/** The person has left before the end. */
export class InterruptedError extends Error {}

export interface AskQuestion {
  prompt: string;
  /** Absolute. */
  directory: string;
  model?: string;
  isNew: boolean;
}

export interface AskRunOptions {
  client: CompanionClient;
  view: AskView;
  stdin: TerminalInput;
  yes: boolean;
  /** For messages. */
  socketPath: string;
}

/** A daemon that restarts is back within this time, in milliseconds. */
const AWAY_MS = 60_000;
const LEAVE_MS = 1_000;

/** One prompt from its sending to its end. */
export class AskRun {
  readonly #options: AskRunOptions;
  readonly #dialogue: PermissionDialogue;
  readonly #follower: TurnFollower;
  readonly #detach: (() => void)[];
  #prompt: { sessionId: string; promptId: string } | undefined;
  #interrupts = 0;
  #wasOpen = false;
  #awaySince: number | undefined;
  #succeed: (end: TurnEnd) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(options: AskRunOptions) {
    this.#options = options;
    const { client, view, stdin, yes } = options;
    const onInterrupt = () => this.interrupt();
    this.#dialogue = new PermissionDialogue({ stdin, view, yes, onInterrupt, answer: client.answerPermission });
    this.#follower = this.#createFollower();
    this.#detach = [
      client.on('event', (event) => this.#follower.take({ kind: 'event', event })),
      client.on('frame', (frame) => this.#follower.take({ kind: 'frame', frame })),
      client.on('reset', (reset) => this.#follower.take({ kind: 'reset', reset })),
      client.on('state', (state) => this.#connection(state)),
    ];
  }

  async outcome(question: AskQuestion): Promise<AskOutcome> {
    const ended = new Promise<TurnEnd>((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
    const started = this.#start(question);
    started.catch(this.#fail);
    const end = await ended;
    return { ...(await started), ...end };
  }

  /** Ctrl-C: the first one ends the turn, the next one leaves it to itself. */
  interrupt(): void {
    const { client, view } = this.#options;
    this.#interrupts += 1;
    if (this.#interrupts > 1 || !this.#prompt) {
      this.#fail(new InterruptedError('Interrupted.'));
      return;
    }
    view.line('Interrupting. Press Ctrl-C again to leave at once.');
    const { promptId } = this.#prompt;
    client.cancelPrompt({ promptId }).then(
      ({ was }) => this.#cancelled(was === 'queued'),
      (error: unknown) => this.#cancelled(error instanceof CompanionError && error.code === 'CONFLICT'),
    );
  }

  /** The daemon need not remember how far this process had come. */
  async close(): Promise<void> {
    const { client } = this.#options;
    for (const detach of this.#detach) detach();
    this.#dialogue.close();
    if (!this.#prompt || client.state.kind !== 'open') return;
    const { sessionId } = this.#prompt;
    await client.unsubscribe({ sessionIds: [sessionId] }, { timeoutMs: LEAVE_MS }).catch(() => undefined);
  }

  async #start(question: AskQuestion): Promise<{ sessionId: string; promptId: string }> {
    const { client, view } = this.#options;
    view.waiting('Sending');
    const { sessionId, promptId } = await client.streamStart(startOf(question));
    if (promptId === undefined) throw new CompanionError('INTERNAL_ERROR', 'The daemon took no prompt.');
    this.#prompt = { sessionId, promptId };
    view.waiting('Waiting for its turn');
    this.#follower.follow(this.#prompt);
    // The daemon streams the session already; this says that every event is wanted, so that a missing one is noticed.
    client.subscribe({ events: ['*'], sessionIds: [sessionId] }).catch(() => undefined);
    return this.#prompt;
  }

  #createFollower(): TurnFollower {
    const { view } = this.#options;
    const think = () => {
      if (!this.#dialogue.busy) view.waiting('Thinking');
    };
    return new TurnFollower({
      onStart: think,
      onThinking: think,
      onPiece: (piece) => view.piece(piece),
      onToolUse: (data) => {
        view.line(toolUseLine(data, view.width));
        view.waiting(data.toolName);
      },
      onToolResult: (data) => {
        view.line(toolResultLine(data, view.width));
        think();
      },
      onPermission: (request) => this.#dialogue.ask(request),
      onResolved: (resolved) => this.#dialogue.resolved(resolved),
      onTrouble: (message) => view.line(message),
      onEnd: (end) => this.#succeed(end),
    });
  }

  #connection(state: ConnectionState): void {
    if (state.kind === 'open') {
      this.#wasOpen = true;
      this.#awaySince = undefined;
    }
    if (state.kind === 'closed') this.#fail(state.error);
    if (state.kind === 'waiting') this.#away();
  }

  #away(): void {
    const { view, socketPath } = this.#options;
    if (this.#awaySince === undefined && this.#wasOpen) view.line('The connection was lost; trying again.');
    this.#awaySince ??= performance.now();
    const isGone = !this.#wasOpen || performance.now() - this.#awaySince > AWAY_MS;
    if (isGone) this.#fail(new NoDaemonError(socketPath));
  }

  /** A prompt that never began ends without an event. */
  #cancelled(isOver: boolean): void {
    if (isOver && !this.#follower.running) this.#follower.cancelled();
  }
}

function startOf({ prompt, directory, model, isNew }: AskQuestion): ClientInput<'streamStart'> {
  return {
    prompt,
    workingDirectory: directory,
    options: { ...(model !== undefined && { model }), ...(isNew && { preserveContext: false }) },
  };
}
