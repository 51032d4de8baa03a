/** Where a prompt is in the events of its session. */
import type { EventData } from '../../protocol/events.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { PromptRecord } from '../ports/records.js';
import type { Session } from '../sessions/session.js';
import type { Caller, CommandServices } from './command-context.js';
import { requirePromptOf } from './prompt.js';

export interface PromptPlace {
  session: Session;
  prompt: PromptRecord;
  /** seq of its `humanMessage`; undefined while it waits, and where that is no longer kept. */
  begins: number | undefined;
}

interface OfPrompt {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
  promptId: PromptId;
}

/** Throws `NOT_FOUND`, and `INVALID_REQUEST` for a prompt of another session. */
export function placeOfPrompt(services: CommandServices, of: OfPrompt): PromptPlace {
  const session = requirePromptOf(services, of);
  const prompt = findPrompt(services, of.promptId);
  return { session, prompt, begins: services.journal.seqOfMessage(session.id, prompt.uuid) };
}

type Sources = Pick<CommandServices, 'journal'>;

function findPrompt({ journal }: Sources, promptId: PromptId): PromptRecord {
  const prompt = journal.findPrompt(promptId);
  if (!prompt) throw new Error('the prompt was there just now');
  return prompt;
}

export type UntoldEnd = Pick<
  EventData<'streamComplete'>,
  'finalResult' | 'subtype' | 'isError' | 'duration' | 'numTurns'
>;

/**
 * How a prompt ended of which no event after this seq tells: it was dropped before it began, its end comes before, or it
 * is no longer kept. Undefined when an event tells or will tell.
 */
export function untoldEnd({ journal }: Sources, promptId: PromptId, seq: number): UntoldEnd | undefined {
  const prompt = journal.findPrompt(promptId);
  if (prompt?.endedAt === undefined || isToldAfter(journal, prompt, seq)) return undefined;
  const { announced, outcome, state } = prompt;
  return {
    finalResult: outcome?.finalResult ?? '',
    subtype: outcome?.subtype ?? (announced ? state : 'cancelled'),
    isError: outcome?.isError ?? true,
    duration: outcome?.durationMs ?? 0,
    numTurns: outcome?.numTurns ?? 0,
  };
}

function isToldAfter(journal: Sources['journal'], prompt: PromptRecord, seq: number): boolean {
  const { sessionId, outcome, announced, endedAt = 0 } = prompt;
  if (outcome?.endSeq !== undefined) return outcome.endSeq > seq && outcome.endSeq >= journal.firstSeq(sessionId);
  // An older daemon has not recorded where: the time says it nearly as well.
  const [next] = announced ? journal.readEvents({ sessionId, after: seq, limit: 1 }) : [];
  return next !== undefined && next.at <= endedAt;
}
