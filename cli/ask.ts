import { createCompanionClient } from '../client/companion-client.js';
import { type AskOutcome, AskRun } from './ask-run.js';
import { AskView } from './ask-view.js';
import type { TerminalIo } from './terminal-io.js';

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
  /** See `localSocketPath`. */
  socketPath: string;
  io: TerminalIo;
}

/**
 * Asks Claude in a directory's session and shows the answer as it comes. A failed turn is an outcome too. Rejects with
 * `NoDaemonError`, with `CompanionError` when the prompt is not taken, and with `InterruptedError` when the person
 * leaves before the end.
 */
export async function ask({ io, socketPath, quiet, yes, ...question }: AskOptions): Promise<AskOutcome> {
  const client = createCompanionClient({ socketPath });
  const view = new AskView(io, { quiet });
  const run = new AskRun({ client, view, socketPath, stdin: io.stdin, yes });
  const detach = io.onInterrupt(() => run.interrupt());
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
