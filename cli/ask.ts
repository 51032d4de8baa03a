import type { CompanionClient } from '../client/companion-client.js';
import type { ConnectionState } from '../client/connection.js';
import { createCompanionClient } from '../client/node-client.js';
import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import type { WaitingSession } from '../protocol/waiting.js';
import { AskView } from './ask-view.js';
import { InterruptedError } from './cli-errors.js';
import { ConnectionWatch } from './connection-watch.js';
import { PermissionDialogue } from './permission-dialogue.js';
import { QueueWatch } from './queue-watch.js';
import { tellRunningTasks } from './running-tasks.js';
import type { LeaveSignal, TerminalIo } from './terminal-io.js';
import { readPresentFile } from './tool-preview.js';
import { type TurnEnd, TurnFollower } from './turn-follower.js';
import { createTurnScreen, showCost } from './turn-screen.js';
import { readWaiting } from './waiting-sessions.js';

export interface AskOptions extends AskQuestion {
  /** Allow everything without asking. */
  yes: boolean;
  /** Keep the answer's text from stdout. */
  quiet: boolean;
  /** See `localSocketPath`. */
  socketPath: string;
  io: TerminalIo;
  /** A command of this program as a person types it. */
  hint: (command: string) => string;
}

/**
 * Asks Claude in a directory's session and shows the answer as it arrives. A failed turn is also an outcome. Rejects
 * with `NoDaemonError`, with `CompanionError` when the prompt is not accepted, and with `InterruptedError` when the
 * person or a signal ends it first; a prompt that has not started is cancelled then.
 */
export async function ask({ io, socketPath, quiet, yes, hint, ...question }: AskOptions): Promise<AskOutcome> {
  const client = createCompanionClient({ socketPath });
  const view = new AskView(io, { quiet });
  const run = new AskRun({
    client,
    view,
    io,
    socketPath,
    directory: question.directory,
    yes,
    hint,
    readWaiting: (sessionId) => readWaiting(socketPath, sessionId),
  });
  const detach = io.onSignal((signal) => {
    if (signal === 'SIGINT') run.interrupt();
    else void run.leave(signal);
  });
  try {
    const outcome = await run.outcome(question);
    // Slash commands, for example, have a result and no message.
    if (!view.shown) view.text(outcome.result);
    const { interrupted, sessionId } = outcome;
    if (interrupted) await tellRunningTasks({ view, socketPath, sessionId, hint });
    return outcome;
  } finally {
    detach();
    await run.close();
    view.close();
    await client.close();
  }
}

export interface AskOutcome extends TurnEnd {
  sessionId: string;
  promptId: string;
  /** The person interrupted it. */
  interrupted: boolean;
}

export interface AskQuestion {
  prompt: string;
  /** Absolute. */
  directory: string;
  model?: string;
  isNew: boolean;
  /** A new conversation keeps the remembered permissions. */
  keepRemembered?: boolean;
}

export interface AskRunOptions {
  client: CompanionClient;
  view: AskView;
  io: TerminalIo;
  /** The directory of the question. */
  directory: string;
  yes: boolean;
  /** For messages. */
  socketPath: string;
  /** The open requests and prompts of a session. */
  readWaiting: (sessionId: string) => Promise<WaitingSession | undefined>;
  /** A command of this program as a person types it. */
  hint: (command: string) => string;
}

interface OwnPrompt {
  sessionId: string;
  promptId: string;
}

/** How long a terminating program can still wait, in milliseconds. */
const LEAVE_MS = 1_000;

/** One prompt from its sending to its end. */
class AskRun {
  readonly #options: AskRunOptions;
  readonly #dialogue: PermissionDialogue;
  readonly #queue: QueueWatch;
  readonly #follower: TurnFollower;
  readonly #detach: (() => void)[];
  #sent: Promise<OwnPrompt> | undefined;
  #prompt: OwnPrompt | undefined;
  /** The reason for the wait has been shown. */
  #queued: Promise<void> = Promise.resolve();
  #interrupts = 0;
  #succeed: (end: TurnEnd) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(options: AskRunOptions) {
    this.#options = options;
    const { client, view, io, yes, directory, hint, socketPath } = options;
    this.#dialogue = new PermissionDialogue({
      io,
      view,
      yes,
      onInterrupt: () => this.interrupt(),
      answer: client.answerPermission,
      othersAsk: 'An earlier prompt in this folder waits for an answer.',
      answerCommand: (permissionId) => hint(`answer ${permissionId}`),
      readFile: readPresentFile(directory),
    });
    this.#queue = this.#createQueue();
    this.#follower = this.#createFollower();
    const watch = new ConnectionWatch({ view, socketPath, onGone: (error) => this.#fail(error) });
    this.#detach = [
      client.on('event', (event) => this.#follower.take({ kind: 'event', event })),
      client.on('frame', (frame) => this.#follower.take({ kind: 'frame', frame })),
      client.on('reset', (reset) => this.#follower.take({ kind: 'reset', reset })),
      client.on('state', (state: ConnectionState) => watch.take(state)),
    ];
  }

  async outcome(question: AskQuestion): Promise<AskOutcome> {
    const ended = new Promise<TurnEnd>((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
    this.#sent = this.#start(question);
    this.#sent.catch(this.#fail);
    const end = await ended;
    showCost(this.#options.view, end);
    return { ...(await this.#sent), ...end, interrupted: this.#interrupts > 0 };
  }

  /** The first Ctrl-C ends the turn, or cancels the prompt; the next one leaves at once. */
  interrupt(): void {
    const { client, view } = this.#options;
    this.#interrupts += 1;
    if (this.#interrupts > 1 || !this.#prompt) {
      void this.leave('SIGINT');
      return;
    }
    view.line('Interrupting. Press Ctrl-C again to leave at once.');
    const { promptId } = this.#prompt;
    client.cancelPrompt({ promptId }).then(
      ({ was }) => this.#cancelled(was === 'queued'),
      (error: unknown) => this.#cancelled(error instanceof CompanionError && error.code === 'CONFLICT'),
    );
  }

  /** Cancels the prompt unless it has started: a running turn continues, and can be watched from elsewhere. */
  async leave(signal: LeaveSignal): Promise<void> {
    await this.#takeBack();
    this.#fail(new InterruptedError(signal));
  }

  /** The daemon need not keep this process's position. */
  async close(): Promise<void> {
    const { client } = this.#options;
    for (const detach of this.#detach) detach();
    this.#queue.close();
    this.#dialogue.close();
    if (!this.#prompt || client.state.kind !== 'open') return;
    const { sessionId } = this.#prompt;
    // A courtesy: the daemon forgets it in time anyway.
    await client.unsubscribe({ sessionIds: [sessionId] }, { timeoutMs: LEAVE_MS }).catch(() => undefined);
  }

  async #takeBack(): Promise<void> {
    const { client } = this.#options;
    // The prompt may be on its way to the daemon; a refused one need not be cancelled.
    const prompt = this.#prompt ?? (await Promise.race([this.#sent, afterLeave()]).catch(() => undefined));
    if (!prompt || this.#follower.running || client.state.kind !== 'open') return;
    // It has started or ended meanwhile, or the daemon is gone: this process no longer waits for it.
    await client.cancelPrompt({ promptId: prompt.promptId }, { timeoutMs: LEAVE_MS }).catch(() => undefined);
  }

  async #start(question: AskQuestion): Promise<OwnPrompt> {
    const { client, view } = this.#options;
    view.waiting('Sending');
    const { sessionId, promptId } = await client.streamStart(startOf(question));
    if (promptId === undefined) throw new CompanionError('INTERNAL_ERROR', 'The daemon accepted no prompt.');
    this.#prompt = { sessionId, promptId };
    view.waiting('Waiting for its turn');
    this.#queued = this.#queue.follow(promptId);
    this.#follower.follow(this.#prompt);
    // The daemon already streams the session; this requests every event, so that a missing one is noticed.
    client.subscribe({ events: ['*'], sessionIds: [sessionId] }).catch(() => undefined);
    return this.#prompt;
  }

  #createQueue(): QueueWatch {
    const { view, client, readWaiting, hint } = this.#options;
    return new QueueWatch({
      view,
      dialogue: this.#dialogue,
      read: async () => (this.#prompt ? readWaiting(this.#prompt.sessionId) : undefined),
      cancel: (promptId) =>
        client.cancelPrompt({ promptId }).then(
          () => 'Cancelled.',
          (error: unknown) => `It was not cancelled: ${error instanceof Error ? error.message : String(error)}`,
        ),
      cancelCommand: (promptId) => hint(`cancel ${promptId}`),
    });
  }

  #createFollower(): TurnFollower {
    const screen = createTurnScreen({ view: this.#options.view, dialogue: this.#dialogue });
    return new TurnFollower({
      ...screen,
      onStart: () => {
        this.#queue.close();
        screen.onThinking();
      },
      onForeignPermission: (request) => void this.#queued.then(() => this.#dialogue.askForAnother(request)),
      onQueueChange: () => this.#queue.look(),
      onEnd: (end) => {
        this.#queue.close();
        this.#succeed(end);
      },
    });
  }

  /** A prompt that never started ends without an event. */
  #cancelled(isOver: boolean): void {
    if (isOver && !this.#follower.running) this.#follower.cancelled();
  }
}

const afterLeave = (): Promise<undefined> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(undefined), LEAVE_MS).unref();
  });

function startOf({ prompt, directory, model, isNew, keepRemembered = false }: AskQuestion): ClientInput<'streamStart'> {
  return {
    prompt,
    workingDirectory: directory,
    options: {
      ...(model !== undefined && { model }),
      ...(isNew && { preserveContext: false, ...(keepRemembered && { keepRemembered }) }),
    },
  };
}
