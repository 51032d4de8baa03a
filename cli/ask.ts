import { createCompanionClient } from '../client/companion-client.js';
import { type AskOutcome, type AskQuestion, AskRun } from './ask-run.js';
import { AskView } from './ask-view.js';
import type { TerminalIo } from './terminal-io.js';
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
    return outcome;
  } finally {
    detach();
    await run.close();
    view.close();
    await client.close();
  }
}
