import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import type { WaitingSession } from '../protocol/waiting.js';
import { InterruptedError } from './cli-errors.js';
import { type CommandContext, type Report, say } from './commands.js';
import { followWaiting } from './follow-waiting.js';
import { requireSession } from './waiting-sessions.js';

/** What can be waited for. */
export const WAIT_GOALS = ['idle', 'waiting', 'failed'] as const;
type Goal = (typeof WAIT_GOALS)[number];

export interface WaitFlags {
  dir?: string;
  until?: Goal;
  /** Seconds. */
  timeout?: string;
}

/** As `timeout` of coreutils has it. */
const TIMED_OUT = 124;
const MOST_SECONDS = 2_000_000;

/**
 * Waits until a session is idle, waits for a person, or has failed. Exit code 0: it is so, and no prompt has failed; 1:
 * it has come to something else, after which this cannot come by itself; 124: not in time.
 */
export async function waitCommand(
  context: CommandContext,
  named: string | undefined,
  { dir, until = 'idle', timeout }: WaitFlags,
): Promise<Report> {
  const { socketPath, io } = context;
  const timeoutMs = timeout === undefined ? undefined : parseSeconds(timeout) * 1000;
  const sessionId = named ?? (await requireSession(socketPath, dir)).sessionId;
  const leaving = new AbortController();
  const detach = io.onSignal((signal) => leaving.abort(new InterruptedError(signal)));
  const late = timeoutMs === undefined ? undefined : setTimeout(() => leaving.abort(LATE), timeoutMs);
  const watch = new GoalWatch(until);
  try {
    for await (const session of followWaiting({ socketPath, sessionId, signal: leaving.signal })) {
      const reached = watch.take(session);
      if (reached) return report(context, { until, session, ...reached });
    }
    throw new Error('a session is followed without an end');
  } catch (error) {
    const { session } = watch;
    if (leaving.signal.reason !== LATE || error !== LATE) throw error;
    return report(context, { until, session, sessionId, state: 'timeout', exitCode: TIMED_OUT });
  } finally {
    detach();
    clearTimeout(late);
    leaving.abort();
  }
}

const LATE = new Error('The time is over.');

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds <= MOST_SECONDS) return seconds;
  throw new CompanionError('INVALID_REQUEST', `--timeout must be a number of seconds up to ${MOST_SECONDS}.`);
}

type State = 'idle' | 'waiting' | 'failed' | 'closed';

interface Reached {
  state: State | 'timeout';
  exitCode: number;
}

const AT_REST: ReadonlySet<string> = new Set(['idle', 'hibernated', 'error', 'closed']);

/** Judges each state of a session. */
class GoalWatch {
  session: WaitingSession | undefined;
  readonly #goal: Goal;
  #lastBefore: string | undefined;

  constructor(goal: Goal) {
    this.#goal = goal;
  }

  /** Undefined while the goal can still come by itself. */
  take(session: WaitingSession): Reached | undefined {
    if (!this.session) this.#lastBefore = session.lastPrompt?.promptId;
    this.session = session;
    const state = this.#stateOf(session);
    if (state === this.#goal) return { state, exitCode: 0 };
    return state === undefined || state === 'waiting' ? undefined : { state, exitCode: 1 };
  }

  /** Undefined while it works. */
  #stateOf({ status, permissions, promptCount, lastPrompt }: WaitingSession): State | undefined {
    const isOver = promptCount === 0 && AT_REST.has(status);
    const isNew = lastPrompt?.promptId !== this.#lastBefore;
    if (status === 'closed') return 'closed';
    // One that has failed while others wait behind it counts where that is waited for.
    const isFailed = lastPrompt !== undefined && lastPrompt.status !== 'completed';
    if (isFailed && (isOver || (isNew && this.#goal === 'failed'))) return 'failed';
    if (permissions.length > 0) return 'waiting';
    return isOver ? 'idle' : undefined;
  }
}

interface Reported extends Reached {
  until: Goal;
  session: WaitingSession | undefined;
  sessionId?: string;
}

function report(context: CommandContext, { until, session, state, exitCode, ...named }: Reported): Report {
  const sessionId = session?.sessionId ?? named.sessionId;
  const prompt = session && promptOf(session, state);
  const permissions = session?.permissions.map(({ permissionId }) => permissionId) ?? [];
  const json = { sessionId, until, state, reached: exitCode === 0, ...(prompt && { prompt }), permissions };
  return say(json, inWords(context, { state, prompt, session }), exitCode);
}

/** The prompt that was waited for: the one that runs, or else the last that has ended. */
function promptOf({ prompts: [first], lastPrompt }: WaitingSession, state: Reached['state']) {
  if (first && state !== 'failed') return { promptId: first.promptId, status: first.state };
  return lastPrompt && { promptId: lastPrompt.promptId, status: lastPrompt.status, subtype: lastPrompt.subtype };
}

interface Words {
  state: Reached['state'];
  prompt: ReturnType<typeof promptOf>;
  session: WaitingSession | undefined;
}

function inWords({ hints }: CommandContext, { state, prompt, session }: Words): string {
  const of = prompt ? `Prompt ${plainLine(prompt.promptId, 100)}` : 'The session';
  if (state === 'timeout') return `${of} has not come to that in time.`;
  if (state === 'closed') return 'The session is closed.';
  if (state === 'failed') return `${of} ${prompt?.status ?? 'failed'}: ${plainLine(prompt?.subtype ?? '', 100)}.`;
  if (state === 'idle') return prompt ? `${of} is completed, and the session is idle.` : 'The session is idle.';
  const asked = (session?.permissions ?? []).flatMap(({ permissionId, prompt: question }) => [
    `  ${plainLine(question, 200)}`,
    `    answer: ${hints.companion(`answer ${plainLine(permissionId, 200)}`)}`,
  ]);
  return [`${of} waits for an answer:`, ...asked].join('\n');
}
