/** Where the response after another one goes on: in the same session, or in a branch of the conversation. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { PromptRecord } from '../ports/records.js';
import type { Session } from '../sessions/session.js';
import type { Caller, CommandServices } from './command-context.js';
import { findResponse, type ResponseBranch } from './responses.js';

/** At most one of the two; neither: the request was accepted before, wherever that was. */
export interface NextPlace {
  sessionId?: SessionId;
  branch?: ResponseBranch;
}

interface NextOf {
  caller: Caller;
  /** The id of the response before. */
  previous: string;
}

const FIELD = 'previous_response_id';
/** Prompts that are read at once. */
const PAGE = 200;

/** The responses that are being continued in their own session. A second request for one branches off. */
export class ResponseBranches {
  readonly #continued = new Set<PromptId>();

  /**
   * Calls `use` with the place of the next response: the session of the previous one where that is the last, and else a
   * branch. Rejects with `NOT_FOUND`, and with `CONFLICT` for one that has others behind it and has not ended, or is no
   * longer in the conversation.
   */
  async next(services: CommandServices, asked: NextOf, use: (place: NextPlace) => Promise<void>): Promise<void> {
    const { caller, previous } = asked;
    const { session, prompt } = findResponse(services, { caller, id: previous, field: FIELD });
    const { requestId, device } = caller;
    if (requestId !== null && services.journal.findRequest(device, requestId)) return use({});
    const { promptId } = prompt;
    if (this.#continued.has(promptId) || !isLast(services, session, promptId)) {
      return use({ branch: await branchOf(services, { session, prompt }) });
    }
    this.#continued.add(promptId);
    try {
      await use({ sessionId: session.id });
    } finally {
      this.#continued.delete(promptId);
    }
  }
}

function isLast({ journal }: CommandServices, { id: sessionId }: Session, promptId: PromptId): boolean {
  const [newest] = journal.listPrompts({ sessionId, limit: 1, offset: 0 }).prompts;
  return newest?.prompt.promptId === promptId;
}

interface OfPrompt {
  session: Session;
  prompt: PromptRecord;
}

async function branchOf(services: CommandServices, { session, prompt }: OfPrompt): Promise<ResponseBranch> {
  if (prompt.endedAt === undefined) throw conflict('must have ended, since another one goes on from it');
  const { directory: workingDirectory, claudeSessionId, modelChoice, context } = session.state.record;
  if (!prompt.announced || claudeSessionId === undefined) throw conflict(GONE);
  const { uuid } = prompt;
  const later = [...laterTurns(services, { session, prompt })];
  const launcher = services.launchers.of(session.owner);
  const at = await launcher.findEndOfTurn({ workingDirectory, claudeSessionId, uuid, later });
  if (at === undefined) throw conflict(GONE);
  return {
    conversation: { kind: 'resume', claudeSessionId, fork: true, at },
    settings: { ...(modelChoice !== undefined && { modelChoice }), ...(context !== undefined && { context }) },
  };
}

const GONE = 'must be in the conversation of its session';

/** The uuids of the prompts that Claude was given after this one's turn. */
function* laterTurns({ journal }: CommandServices, { session, prompt }: OfPrompt): Generator<string> {
  const end = endOf(prompt);
  let before: number | undefined;
  for (;;) {
    const range = { sessionId: session.id, limit: PAGE, offset: 0, ...(before !== undefined && { before }) };
    const { prompts } = journal.listPrompts(range);
    for (const { prompt: other } of prompts) if (other.announced && endOf(other) > end) yield other.uuid;
    before = prompts.at(-1)?.number;
    if (prompts.length < PAGE) return;
  }
}

const endOf = ({ outcome }: PromptRecord): number => outcome?.endSeq ?? Number.POSITIVE_INFINITY;

function conflict(rule: string): CompanionError {
  return new CompanionError('CONFLICT', `${FIELD}: ${rule}`, { field: FIELD, rule });
}
