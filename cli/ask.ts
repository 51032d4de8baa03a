import { type CompanionClient, createCompanionClient } from '../client/companion-client.js';
import type { ConnectionState } from '../client/connection.js';
import { ConnectionError } from '../client/connection-error.js';
import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import { AskView } from './ask-view.js';
import { NoDaemonError } from './no-daemon-error.js';
import { PermissionDialogue } from './permission-dialogue.js';
import type { TerminalIo } from './terminal-io.js';
import { toolResultLine, toolUseLine } from './tool-line.js';
import { type TurnEnd, TurnFollower } from './turn-follower.js';

export interface AskOptions {
  prompt: string;
  /** Absolute. */
  directory: string;
  model?: string;
  /** Begin a new conversation. */
  isNew: boolean;
  /** Allow everything without asking. */
  yes: boolean;
  /** Keep the answer's text from stdout. */
  quiet: boolean;
  socketPath: string;
  io: TerminalIo;
}

export interface AskOutcome extends TurnEnd {
  sessionId: string;
  promptId: string;
}

/** The person wants out. */
export class InterruptedError extends Error {}

/** A daemon that restarts is back within this time, in milliseconds. */
const AWAY_MS = 60_000;

/**
 * Asks Claude in a directory's session and shows the answer as it comes. Rejects with `NoDaemonError`, with
 * `CompanionError` when the prompt is not taken, and with `InterruptedError` after a second Ctrl-C.
 */
export async function ask(options: AskOptions): Promise<AskOutcome> {
  const { io, socketPath, quiet } = options;
  const client = createCompanionClient({ socketPath });
  const view = new AskView(io, { quiet });
  const run = new AskRun({ options, client, view });
  const detach = io.onInterrupt(() => run.interrupt());
  try {
    return await run.outcome();
  } finally {
    detach();
    run.close();
    view.close();
    await client.close();
  }
}

interface AskRunOptions {
  options: AskOptions;
  client: CompanionClient;
  view: AskView;
}

class AskRun {
  readonly #options: AskOptions;
  readonly #client: CompanionClient;
  readonly #view: AskView;
  readonly #dialogue: PermissionDialogue;
  readonly #follower: TurnFollower;
  readonly #outcome = Promise.withResolvers<TurnEnd>();
  #promptId: string | undefined;
  #interrupts = 0;
  #lastOpen: number | undefined;

  constructor({ options, client, view }: AskRunOptions) {
    this.#options = options;
    this.#client = client;
    this.#view = view;
    this.#dialogue = new PermissionDialogue({
      stdin: options.io.stdin,
      view,
      yes: options.yes,
      answer: (data) => client.answerPermission(data),
      onInterrupt: () => this.interrupt(),
    });
    this.#follower = this.#createFollower();
  }
}
