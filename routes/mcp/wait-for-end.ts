import { type AcceptedPrompt, cancelPrompt, hasEnded } from '../../services/commands/prompt.js';
import { callerOf, replied } from '../http/request-context.js';
import type { ToolCall } from './mcp-context.js';
import type { TurnProgress } from './turn-progress.js';

interface Awaited {
  /** With `duplicate`, the prompt is not of this call. */
  accepted: AcceptedPrompt;
  progress: TurnProgress | undefined;
  /** Aborted when the client has gone, or its credential has ended. */
  signal: AbortSignal;
  timeoutMs: number;
}

/**
 * Resolves when the turn of a prompt has ended, or the time is over, or the client has gone; the prompt goes on then. A
 * client that cancels the call cancels the prompt that the call has sent, and nothing else. Rejects when the credential
 * has ended.
 */
export async function waitForEnd(call: ToolCall, { accepted, progress, signal, timeoutMs }: Awaited): Promise<void> {
  const { services, response, cancelled } = call;
  const { session, prompt, duplicate } = accepted;
  const { promptId } = prompt;
  try {
    if (prompt.endedAt !== undefined) return;
    const isLeft = AbortSignal.any([signal, cancelled]);
    const isOver = !isLeft.aborted && (await hasEnded({ session, promptId }, { withinMs: timeoutMs, signal: isLeft }));
    if (isOver) await progress?.untilTold();
    // The credential of one who is still there has ended.
    if (signal.aborted && !response.destroyed) throw signal.reason;
    if (!cancelled.aborted || duplicate) return;
    const caller = callerOf(response);
    // It has ended meanwhile, and no client waits for the reason.
    await replied((reply) => cancelPrompt(services, { caller, promptId }, reply)).catch(() => {});
  } finally {
    progress?.close();
  }
}
