/** Prompts that the agent of a session sends to other sessions: the way that they come. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import { givenPrompts } from '../sessions/machine/session-state.js';
import type { Session } from '../sessions/session.js';
import type { CommandServices } from './command-context.js';

/** Agents that can prompt each other in a row. */
const MOST_AGENTS = 8;

/**
 * The sessions through which a prompt of this session's agent comes: those of the prompts that run, and itself. What
 * runs beside turns belongs to the prompt that has ended last.
 */
export function chainThrough({ journal }: Pick<CommandServices, 'journal'>, { id, state }: Session): SessionId[] {
  const given = givenPrompts(state);
  const last = state.record.lastEnd && journal.findPrompt(state.record.lastEnd.promptId);
  const prompts = given.length === 0 && last ? [last] : given;
  return [...new Set([...prompts.flatMap(({ via = [] }) => via), id])];
}

/** Throws `CONFLICT` when a prompt would come back to a session, or come through too many. */
export function requireNoCircle(via: readonly SessionId[] = [], target: SessionId): void {
  if (via.includes(target)) {
    throw conflict('must be another session: the prompt comes from this one, whose agent would prompt itself');
  }
  if (via.length > MOST_AGENTS) throw conflict(`must not be prompted through more than ${MOST_AGENTS} other sessions`);
}

const conflict = (rule: string): CompanionError => {
  const suggestion = 'Answer in the turn that runs: whoever has sent its prompt gets the answer.';
  return new CompanionError('CONFLICT', `sessionId: ${rule}`, { field: 'sessionId', rule, suggestion });
};
