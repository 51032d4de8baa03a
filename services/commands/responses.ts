/** Responses: prompts whose answer is read by the id of the prompt, also after a restart. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { Attachment, PromptId } from '../../protocol/scalars.js';
import type { PromptRecord, SessionRecord } from '../ports/records.js';
import type { Conversation } from '../sessions/machine/decide-command.js';
import { offerPrompt } from '../sessions/new-prompt.js';
import type { Reply, Session } from '../sessions/session.js';
import { requirePersonsBudget } from './budgets.js';
import type { Caller, CommandServices } from './command-context.js';
import type { AcceptedPrompt } from './prompt.js';
import { closeSession } from './session.js';

const PREFIX = 'resp_';

export const responseIdOf = (promptId: PromptId): string => `${PREFIX}${promptId}`;

/** What a response repeats of its request; it is in the prompt's first answer. */
export interface AskedResponse {
  model: string;
  background: boolean;
  metadata: Record<string, string>;
  instructions?: string;
  /** The id of the response before. */
  previous?: string;
}

export interface KeptResponse {
  session: Session;
  prompt: PromptRecord;
  /** Absent: it was not asked for as a response. */
  asked: AskedResponse | undefined;
}

interface OfResponse {
  caller: Pick<Caller, 'device'>;
  /** Of the response. */
  id: string;
  field?: string;
}

/** A prompt of the caller's person, as a response. Throws `NOT_FOUND`, which names `field`. */
export function findResponse(
  { journal, registry }: CommandServices,
  { caller, id, field = 'id' }: OfResponse,
): KeptResponse {
  const prompt = id.startsWith(PREFIX) ? journal.findPrompt(id.slice(PREFIX.length) as PromptId) : undefined;
  const session = prompt && registry.find(prompt.sessionId);
  if (!prompt || session?.owner !== caller.device.userId || session.state.record.closed?.isPurged) {
    throw new CompanionError('NOT_FOUND', `There is no response ${id.slice(0, MAX_SHOWN)}.`, { field });
  }
  return { session, prompt, asked: prompt.answer[ASKED] as AskedResponse | undefined };
}

const MAX_SHOWN = 100;
const ASKED = 'response';

/** The fields of the first answer of its prompt. */
export const answerOf = (asked: AskedResponse): Record<string, unknown> => ({ [ASKED]: asked });

/** The conversation up to a response, for a session of its own. */
export interface ResponseBranch {
  conversation: Conversation;
  /** Of the session that it comes from. */
  settings: Pick<SessionRecord, 'modelChoice' | 'context'>;
}

export interface BegunConversation {
  caller: Caller;
  text: string;
  attachments: Attachment[];
  /** Names and settings of its session. */
  changes: Partial<SessionRecord>;
  answer: Record<string, unknown>;
  /** The conversation that it branches off. */
  branch?: ResponseBranch;
}

/**
 * Sends the first prompt of a conversation in a session of its own, where tools that would ask are denied. `reply` is
 * called when it is recorded, before it can begin.
 */
export async function beginConversation(
  services: CommandServices,
  { caller, text, attachments, changes, answer, branch }: BegunConversation,
  reply: Reply<AcceptedPrompt>,
): Promise<void> {
  const { journal, registry, launchers, workspace } = services;
  const { device, requestId } = caller;
  const repeated = requestId === null ? undefined : journal.findRequest(device, requestId);
  const known = repeated && registry.find(repeated.sessionId);
  if (known) {
    // The first answer can have failed because this sync failed.
    await journal.sync();
    return reply({ session: known, prompt: repeated, duplicate: true });
  }
  requirePersonsBudget(services, device.userId);
  await launchers.of(device.userId).checkAvailable();
  const place = await workspace.makeOwnFolder();
  const session = await registry.ofProgram(place, device.userId).catch(async (error: unknown) => {
    await workspace.removeOwnFolder(place.path);
    throw error;
  });
  const offered = offerPrompt({ ...caller, sessionId: session.id, text, attachments, answer, now: services.now() });
  try {
    const start = { changes: { ...branch?.settings, ...changes, ...OF_PROGRAM }, offered };
    await session.start({ ...start, ...(branch && { conversation: branch.conversation }) }, (prompt) => {
      if (prompt) reply({ session, prompt, duplicate: false });
    });
  } catch (error) {
    await session.purge();
    throw error;
  }
}

/** Nobody is asked, and nobody is told. */
const OF_PROGRAM = { permissionMode: 'dontAsk', push: { muted: true } } as const satisfies Partial<SessionRecord>;

/**
 * Removes a response with its conversation. Rejects with `NOT_FOUND`, and with `CONFLICT` in a session of a person, and
 * where the conversation has other responses.
 */
export async function deleteResponse(
  services: CommandServices,
  { caller, id }: OfResponse & { caller: Caller },
): Promise<void> {
  const { session } = findResponse(services, { caller, id });
  const rule = session.state.record.ofProgram ? 'must be the only one of its conversation' : 'must not be of a session';
  const { total } = services.journal.listPrompts({ sessionId: session.id, limit: 1, offset: 0 });
  if (!session.state.record.ofProgram || total > 1) {
    throw new CompanionError('CONFLICT', `id: ${rule}`, { field: 'id', rule });
  }
  await closeSession(services, { caller, sessionId: session.id, reason: 'deleted', purge: true }, () => {});
}

/** Where the events of a prompt are. */
export interface TurnPlace {
  /** seq of the event before its message. */
  from: number;
  /** Its message comes before that: its beginning is no longer kept. */
  hasBegun: boolean;
}

/** Undefined when nothing is kept of its turn, which has ended. */
export function placeOfTurn(
  { journal }: Pick<CommandServices, 'journal'>,
  { session, prompt }: Pick<KeptResponse, 'session' | 'prompt'>,
): TurnPlace | undefined {
  const { publishedHead } = session;
  const begins = journal.seqOfMessage(session.id, prompt.uuid);
  if (begins !== undefined) return { from: Math.min(begins - 1, publishedHead), hasBegun: false };
  const { announced, endedAt, outcome } = prompt;
  if (!announced) return { from: publishedHead, hasBegun: false };
  const first = journal.firstSeq(session.id);
  if (endedAt !== undefined && (outcome?.endSeq ?? 0) < first) return undefined;
  return { from: first - 1, hasBegun: true };
}
