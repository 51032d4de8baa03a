/** How the last turn of a session ended. Pure. */
import type { EventData } from '../../client/browser.js';
import type { SessionView } from '../../protocol/rest.js';

/** The last turn of a session. */
export interface LastTurn {
  status: 'completed' | 'failed' | 'cancelled';
  subtype: string;
  /** When it ended. */
  at: string;
  /** The beginning of what Claude said last; undefined where only the list of sessions told of it. */
  words: string | undefined;
}

const MAX_WORDS = 200;

export function lastTurnOf({ subtype, isError, finalResult }: EventData<'streamComplete'>, at: string): LastTurn {
  const status = subtype === 'interrupted' ? 'cancelled' : isError ? 'failed' : 'completed';
  return { status, subtype, at, words: finalResult === '' ? undefined : finalResult.slice(0, MAX_WORDS) };
}

/** The newer of what an event and what a view told. */
export function newerTurn(known: LastTurn | undefined, { lastPrompt }: SessionView): LastTurn | undefined {
  if (!lastPrompt || (known && known.at >= lastPrompt.completedAt)) return known;
  const { status, subtype, completedAt } = lastPrompt;
  return { status, subtype, at: completedAt, words: undefined };
}
