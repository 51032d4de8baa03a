import type { PermissionId, PromptId, SessionId } from '../../../protocol/scalars.js';
import type { Publication, Publisher } from '../../ports/publication.js';
import type {
  EventRecord,
  PermissionRecord,
  PromptRecord,
  SessionChange,
  SessionRecord,
  StoredSession,
} from '../../ports/records.js';
import type { NewSpan, OpenSpan, PromptTraces, SpanFacts } from '../../ports/tracing.js';

/** The spans of a prompt that has not ended. */
interface OpenPrompt {
  /** What they are part of: its request, or else the time in which it was queued. */
  parent: string | undefined;
  createdAt: number;
  isSteering: boolean;
  /** The id of its message in the journal. */
  uuid: string;
  /** Its message was published: what Claude says from then on is said to it. */
  isSaid: boolean;
  queued?: OpenSpan | undefined;
  turn?: OpenSpan | undefined;
  /** Until Claude begins to answer. */
  answer?: OpenSpan | undefined;
}

interface OpenSession {
  prompts: Map<PromptId, OpenPrompt>;
  permissions: Map<PermissionId, OpenSpan>;
}

const GIVEN: ReadonlySet<string> = new Set(['dispatching', 'processing']);

/**
 * Makes spans out of what sessions record: a prompt waits, its turn runs, Claude begins to answer, a person is asked. A
 * span that was open when a daemon died is begun again, at its time, by the next one; only ended ones are ever sent.
 */
export class PromptSpans implements PromptTraces {
  readonly #begin: (span: NewSpan) => OpenSpan;
  readonly #now: () => number;
  readonly #sessions = new Map<SessionId, OpenSession>();

  constructor(begin: (span: NewSpan) => OpenSpan, now: () => number) {
    this.#begin = begin;
    this.#now = now;
  }

  found({ record, prompts, permissions }: StoredSession): void {
    for (const prompt of prompts) {
      if (this.#sessions.get(record.sessionId)?.prompts.has(prompt.promptId)) continue;
      const open = this.#open(prompt);
      open.isSaid = true;
      if (GIVEN.has(prompt.state)) this.#give(open, { prompt, record, at: record.turnBegan ?? this.#now() });
      else this.#queue(open, prompt, prompt.createdAt);
      // The dead daemon may have seen the begin of the answer.
      if (record.child?.answering) open.answer = undefined;
    }
    for (const permission of permissions) this.#takePermission(permission);
  }

  committed(change: SessionChange): void {
    const { record, prompts, permissions } = change;
    for (const prompt of prompts) this.#takePrompt(change, prompt);
    for (const permission of permissions) this.#takePermission(permission);
    this.#leave(record.sessionId);
  }

  /** Wraps the publisher, and looks for the begin of answers. */
  observe(publisher: Publisher): Publisher {
    return {
      publish: (session, items) => {
        for (const open of this.#sessions.get(session.sessionId)?.prompts.values() ?? []) this.#look(open, items);
        publisher.publish(session, items);
      },
      isNamed: (owner, type) => publisher.isNamed(owner, type),
      opened: (session) => publisher.opened(session),
      forgotten: (sessionId) => {
        this.#sessions.delete(sessionId);
        return publisher.forgotten(sessionId);
      },
    };
  }

  #takePrompt({ record, events }: SessionChange, prompt: PromptRecord): void {
    const { promptId, sessionId, state } = prompt;
    const known = this.#sessions.get(sessionId)?.prompts.get(promptId);
    const open = known ?? this.#open(prompt);
    if (!known) this.#queue(open, prompt, prompt.createdAt);
    if (GIVEN.has(state)) {
      if (!open.turn) open.isSaid = !events.some((event) => isMessageOf(open, event));
      this.#give(open, { prompt, record, at: this.#now() });
    } else if (prompt.endedAt !== undefined) {
      // The lines of a whole turn can be one step, which is published after this.
      this.#look(open, events);
      this.#end(open, record, prompt);
    }
    if (state === 'queued' && open.turn) this.#takeBack(open, prompt);
  }

  #open({ promptId, sessionId, uuid, trace, createdAt, mode }: PromptRecord): OpenPrompt {
    const open: OpenPrompt = { parent: trace, createdAt, uuid, isSteering: mode === 'steer', isSaid: false };
    this.#session(sessionId).prompts.set(promptId, open);
    return open;
  }

  #queue(open: OpenPrompt, prompt: PromptRecord, at: number): void {
    open.queued = this.#begin({ name: 'prompt queued', parent: open.parent, at, facts: factsOf(prompt) });
    open.parent ??= open.queued.traceparent;
  }

  #give(open: OpenPrompt, { prompt, record, at }: { prompt: PromptRecord; record: SessionRecord; at: number }): void {
    if (open.turn) return;
    open.queued?.end({ [OUTCOME]: 'given' }, { at });
    open.queued = undefined;
    const facts = { ...factsOf(prompt), 'companion.queued_ms': at - open.createdAt, ...modelOf(record) };
    open.turn = this.#begin({ name: 'claude turn', parent: open.parent, at, facts });
    open.parent ??= open.turn.traceparent;
    // It goes into an answer that has begun.
    if (open.isSteering) return;
    open.answer = this.#begin({ name: 'claude first token', parent: open.turn.traceparent, at, facts: idsOf(prompt) });
  }

  /** Its child has died before it had begun: it waits for another one. */
  #takeBack(open: OpenPrompt, prompt: PromptRecord): void {
    open.turn?.end({ [OUTCOME]: 'child_exited' }, FAILED);
    open.turn = undefined;
    open.answer = undefined;
    this.#queue(open, prompt, this.#now());
  }

  #end(open: OpenPrompt, record: SessionRecord, prompt: PromptRecord): void {
    const { state, outcome } = prompt;
    open.queued?.end({ [OUTCOME]: state });
    const ended = { [OUTCOME]: outcome?.subtype ?? state, ...modelOf(record), ...usageOf(prompt) };
    if (outcome?.isError) open.turn?.end({ ...ended, 'error.type': outcome.subtype }, FAILED);
    else open.turn?.end(ended);
    this.#sessions.get(prompt.sessionId)?.prompts.delete(prompt.promptId);
  }

  /** Part of the turn that it holds up; what runs beside turns has none. */
  #takePermission({ sessionId, permissionId, ask, createdAt, decision }: PermissionRecord): void {
    const session = this.#sessions.get(sessionId);
    const known = session?.permissions.get(permissionId);
    if (decision !== undefined) {
      known?.end({ 'companion.decision': decision });
      session?.permissions.delete(permissionId);
      return;
    }
    const turn = known ? undefined : runningOf(session)?.turn;
    if (!turn) return;
    const facts = {
      'session.id': sessionId,
      'companion.permission.id': permissionId,
      'gen_ai.tool.name': ask.toolName,
    };
    const span = { name: 'permission wait', parent: turn.traceparent, at: createdAt, facts };
    session?.permissions.set(permissionId, this.#begin(span));
  }

  /** Whether Claude has begun to answer it. */
  #look(open: OpenPrompt, items: readonly Said[]): void {
    for (const item of items) {
      if (!open.answer) return;
      if (!open.isSaid) open.isSaid = isMessageOf(open, item);
      else if (isOfAnswer(item)) {
        open.answer.end();
        open.answer = undefined;
      }
    }
  }

  #session(sessionId: SessionId): OpenSession {
    const session = this.#sessions.get(sessionId) ?? { prompts: new Map(), permissions: new Map() };
    this.#sessions.set(sessionId, session);
    return session;
  }

  #leave(sessionId: SessionId): void {
    const session = this.#sessions.get(sessionId);
    if (session?.prompts.size === 0 && session.permissions.size === 0) this.#sessions.delete(sessionId);
  }
}

const OUTCOME = 'companion.outcome';
const FAILED = { isError: true };

const runningOf = (session: OpenSession | undefined): OpenPrompt | undefined =>
  [...(session?.prompts.values() ?? [])].find(({ turn, isSteering }) => turn !== undefined && !isSteering);

const idsOf = ({ sessionId, promptId }: PromptRecord): SpanFacts => ({
  'session.id': sessionId,
  'companion.prompt.id': promptId,
});

const factsOf = (prompt: PromptRecord): SpanFacts => ({
  ...idsOf(prompt),
  'companion.prompt.mode': prompt.mode,
  'companion.request.id': prompt.requestId ?? undefined,
});

/** As the CLI reports it, else as a person has chosen it. */
const modelOf = ({ model, modelChoice }: SessionRecord): SpanFacts => ({
  'gen_ai.request.model': model ?? modelChoice,
});

function usageOf({ outcome }: PromptRecord): SpanFacts {
  const { usage = {}, numTurns, cost } = outcome ?? {};
  const count = (name: string) => (typeof usage[name] === 'number' ? usage[name] : undefined);
  return {
    'gen_ai.usage.input_tokens': count('input_tokens'),
    'gen_ai.usage.output_tokens': count('output_tokens'),
    'gen_ai.usage.cache_read.input_tokens': count('cache_read_input_tokens'),
    'gen_ai.usage.cache_creation.input_tokens': count('cache_creation_input_tokens'),
    'companion.calls': numTurns,
    'companion.cost_dollars': cost,
  };
}

/** What is published, or is written with the same step. */
type Said = Publication | EventRecord;

const eventOf = (item: Said): EventRecord | undefined =>
  'seq' in item ? item : item.kind === 'event' ? item.event : undefined;

function isMessageOf({ uuid }: OpenPrompt, item: Said): boolean {
  const event = eventOf(item);
  return event?.type === 'humanMessage' && event.messageId === uuid;
}

/** Text, thought or the use of a tool by Claude itself, not by a subagent. */
function isOfAnswer(item: Said): boolean {
  if (!('seq' in item) && item.kind === 'frame') {
    return item.frame.type === 'streamData' && item.frame.data.parentToolUseId === undefined;
  }
  const event = eventOf(item);
  if (event?.type !== 'assistantMessage' && event?.type !== 'toolUse') return false;
  const { parentToolUseId, model } = JSON.parse(event.data) as { parentToolUseId?: string; model?: string };
  return parentToolUseId === undefined && model !== SYNTHETIC;
}

/** The model that the CLI names for its own words. */
const SYNTHETIC = '<synthetic>';
