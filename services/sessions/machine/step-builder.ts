import { cutData, fitsWithin } from '../../../protocol/bounded-data.js';
import type { EventData, EventType } from '../../../protocol/events.js';
import { MAX_EVENT_DATA_BYTES, MAX_KEPT_MESSAGE_BYTES } from '../../../protocol/limits.js';
import type { PromptId } from '../../../protocol/scalars.js';
import type { PositionedFrame } from '../../../protocol/server-frames.js';
import { continuesText, joinText } from '../../../protocol/stream-data.js';
import type { BlobRef } from '../../ports/blobs.js';
import type { UserMessage } from '../../ports/claude.js';
import type { Publication } from '../../ports/publication.js';
import type {
  BudgetMark,
  EventRecord,
  NewEvent,
  OwedDiff,
  PermissionRecord,
  PromptRecord,
  SessionChange,
  SessionRecord,
} from '../../ports/records.js';
import { type SessionState, sessionStatusOf, statusKey } from './session-state.js';
import { tasksOf } from './task-view.js';

/** The outcome of a step, before any of it has taken effect. */
export interface Step {
  state: SessionState;
  /** Undefined when nothing durable has changed. */
  change: SessionChange | undefined;
  publications: Publication[];
  effects: Effect[];
}

/** Merges two successive changes: the later one determines the records. */
export function mergeChanges(earlier: SessionChange | undefined, later: SessionChange): SessionChange {
  if (!earlier) return later;
  const prompts = new Map([...earlier.prompts, ...later.prompts].map((prompt) => [prompt.promptId, prompt]));
  const permissions = [...earlier.permissions, ...later.permissions].map((one) => [one.permissionId, one] as const);
  return {
    record: later.record,
    events: [...earlier.events, ...later.events],
    prompts: [...prompts.values()],
    permissions: [...new Map(permissions).values()],
    ...marksOf([...(earlier.budgetMarks ?? []), ...(later.budgetMarks ?? [])]),
  };
}

const marksOf = (budgetMarks: readonly BudgetMark[]) => (budgetMarks.length > 0 ? { budgetMarks } : {});

const toldStatus = (key: string): unknown => (JSON.parse(key) as Pick<EventData<'sessionStatus'>, 'status'>).status;

/** Collects the changes of one step of a session. The initial state is not modified. */
export class StepBuilder {
  state: SessionState;
  readonly now: number;
  readonly #initial: SessionState;
  readonly #publications: Publication[] = [];
  readonly #effects: Effect[] = [];
  readonly #prompts = new Map<string, PromptRecord>();
  readonly #permissions = new Map<string, PermissionRecord>();
  readonly #marks: BudgetMark[] = [];
  /** Full JSON of cut events, by seq: only for the journal. */
  readonly #wholes = new Map<number, string>();
  #line: { childId: string; offset: number; part: number } | undefined;
  #dirty = false;
  #happened: number | undefined;

  constructor(state: SessionState, now: number) {
    this.#initial = state;
    this.state = state;
    this.now = now;
  }

  /** The time of the step's events, in wire format. */
  get timestamp(): string {
    return new Date(this.#happened ?? this.now).toISOString();
  }

  /** Events from here on happened at this epoch millisecond, at the latest with the step. Undefined: with the step. */
  happenedAt(at: number | undefined): void {
    this.#happened = at === undefined ? undefined : Math.min(at, this.now);
  }

  /** Events from here on come from this line of the child's output. */
  atLine(line: { childId: string; offset: number }): void {
    this.#line = { ...line, part: 0 };
  }

  /** The line of the child's output that is the source of events now. */
  get line(): { childId: string; offset: number } | undefined {
    return this.#line;
  }

  /** Events from here on come from no line. */
  offLine(): void {
    this.#line = undefined;
  }

  update(changes: Partial<SessionState>): void {
    this.state = { ...this.state, ...changes };
  }

  updateRecord(changes: Partial<SessionRecord>): void {
    this.#dirty = true;
    this.update({ record: { ...this.state.record, ...changes } });
  }

  /** Removes fields from the record. */
  clearRecord(
    ...fields: (
      | 'closed'
      | 'failed'
      | 'queueHeld'
      | 'changes'
      | 'turnBegan'
      | 'owedDiffs'
      | 'child'
      | 'fork'
      | 'resumeAt'
      | 'claudeSessionId'
      | 'joining'
      | 'continues'
      | 'takenBack'
      | 'outdated'
      | 'limitedUntil'
      | 'continuedAt'
      | 'nameUntold'
      | 'tagUntold'
      | 'archivedUntold'
    )[]
  ): void {
    const record = { ...this.state.record };
    for (const field of fields) delete record[field];
    this.#dirty = true;
    this.update({ record });
  }

  /**
   * Returns its seq, and whether it is too large to be kept uncut outside the journal. `blob`: already has the data with
   * what is too large for these.
   */
  event<T extends EventType>(type: T, data: EventData<T>, { messageId, blob }: EventParts = {}) {
    const seq = this.state.head + 1;
    const line = this.#line && { ...this.#line };
    if (this.#line) this.#line.part += 1;
    this.update({ head: seq });
    const event = { seq, type, at: this.#happened ?? this.now, data: this.#bound(type, data) };
    this.#publications.push({
      kind: 'event',
      event: { ...event, ...(messageId !== undefined && { messageId }), ...(line && { line }), ...(blob && { blob }) },
    });
    this.#touch();
    return { seq, isCut: this.#wholes.has(seq) };
  }

  /** The JSON of the next event's data, cut to a size that fits in rows and memory. */
  #bound(type: EventType, data: object): string {
    const json = JSON.stringify(data);
    const isKept = fitsWithin(json, type === 'assistantMessage' ? MAX_KEPT_MESSAGE_BYTES : MAX_EVENT_DATA_BYTES);
    if (isKept) return json;
    this.#wholes.set(this.state.head, json);
    return cutData(data, MAX_EVENT_DATA_BYTES);
  }

  /** Adds a positioned frame. Text that continues the frame before it is joined to that. */
  frame(frame: PositionedFrame): void {
    const last = this.#publications.at(-1);
    if (last?.kind === 'frame' && last.frame.type === 'streamData' && frame.type === 'streamData') {
      if (continuesText(last.frame.data, frame.data)) {
        last.frame = { type: 'streamData', data: joinText(last.frame.data, frame.data) };
        return;
      }
    }
    this.#publications.push({ kind: 'frame', frame });
  }

  effect(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Adds or replaces a prompt; an ended one is removed from the state. */
  putPrompt(prompt: PromptRecord): void {
    const ended = prompt.state === 'completed' || prompt.state === 'failed' || prompt.state === 'cancelled';
    const stored = ended ? { ...prompt, endedAt: prompt.endedAt ?? this.now } : prompt;
    this.#prompts.set(prompt.promptId, stored);
    const known = this.state.prompts.some(({ promptId }) => promptId === prompt.promptId);
    const others = known
      ? this.state.prompts.map((other) => (other.promptId === prompt.promptId ? stored : other))
      : [...this.state.prompts, stored];
    this.update({ prompts: ended ? others.filter(({ promptId }) => promptId !== prompt.promptId) : others });
  }

  /** Puts the session's prompts into this order, which must name all of them, and records it. */
  orderPrompts(ordered: readonly PromptRecord[]): void {
    this.update({ prompts: ordered });
    for (const [place, prompt] of ordered.entries()) if (prompt.place !== place) this.putPrompt({ ...prompt, place });
  }

  /** Adds or replaces a permission, in the order of asking; a decided one that needs no answer leaves the state. */
  putPermission(permission: PermissionRecord): void {
    const { permissionId } = permission;
    this.#permissions.set(permissionId, permission);
    const known = this.state.permissions.some((other) => other.permissionId === permissionId);
    const all = known
      ? this.state.permissions.map((other) => (other.permissionId === permissionId ? permission : other))
      : [...this.state.permissions, permission];
    const over = permission.decision !== undefined && permission.answer === undefined;
    this.update({ permissions: over ? all.filter((other) => other !== permission) : all });
  }

  /** Its events tell this of a budget. */
  markBudget(mark: BudgetMark): void {
    this.#marks.push(mark);
  }

  /** Ends the step, and publishes the status if it differs from the last published one. */
  finish(): Step {
    this.#sayTasks();
    if (this.state !== this.#initial || this.state.record.lastStatus === undefined) this.#sayStatus();
    const events = this.#publications.flatMap((item) => (item.kind === 'event' ? [this.#withWhole(item.event)] : []));
    const durable = this.#dirty || events.length > 0 || this.#prompts.size > 0 || this.#permissions.size > 0;
    const change: SessionChange = {
      record: this.state.record,
      events,
      prompts: [...this.#prompts.values()],
      permissions: [...this.#permissions.values()],
      ...marksOf(this.#marks),
    };
    const { contents: _, budgets: __, ...state } = this.state;
    return { state, change: durable ? change : undefined, publications: this.#publications, effects: this.#effects };
  }

  #withWhole(event: EventRecord): NewEvent {
    const whole = this.#wholes.get(event.seq);
    return whole === undefined ? event : { ...event, whole };
  }

  #sayTasks(): void {
    const { background } = this.state;
    const before = this.#initial.background;
    if (background === before || (background.length === 0 && before.length === 0)) return;
    this.frame({ type: 'tasks', data: tasksOf(this.state) });
  }

  #sayStatus(): void {
    const key = statusKey(this.state);
    const { lastStatus } = this.state.record;
    if (key === lastStatus) return;
    this.#line = undefined;
    this.#happened = undefined;
    const status = sessionStatusOf(this.state);
    const isOther = lastStatus === undefined || toldStatus(lastStatus) !== status.status;
    this.updateRecord({ lastStatus: key, ...(isOther && { statusSince: this.now }) });
    this.event('sessionStatus', status);
  }

  #touch(): void {
    const lastActivity = Math.max(this.#happened ?? this.now, this.#happened ? this.state.record.lastActivity : 0);
    this.updateRecord({ lastActivity, updatedAt: this.now });
  }
}

/** What the running child must take over from the record. */
export interface ChildAdjustment {
  /** It must ask again about what these rules cover. */
  askRules?: readonly string[];
  directories?: readonly string[];
  mode?: string;
  model?: string;
  effort?: string | null;
  maxThinkingTokens?: number;
}

interface EventParts {
  messageId?: string;
  blob?: BlobRef;
}

/** A side effect of a step, executed after the step is in the journal. */
export type Effect =
  | { kind: 'startChild'; delayMs: number; afterFailure: boolean }
  | { kind: 'endChild'; insist: boolean }
  | { kind: 'sendMessage'; message: UserMessage; promptId: PromptId; requestId: string | null }
  /** The CLI must drop these messages, if it still holds them. */
  | { kind: 'withdrawMessages'; uuids: string[] }
  /** The contents of these prompts are needed now. */
  | { kind: 'readPrompts'; prompts: PromptRecord[] }
  | { kind: 'answerPermission'; requestId: string; answer: Record<string, unknown> }
  | { kind: 'refuseRequest'; requestId: string; subtype: string }
  /** The CLI must accept it within this time, in milliseconds, and the turn begun then (by `ticks`) must end. */
  | { kind: 'interrupt'; withinMs: number; turnStartedAt: number }
  | ({ kind: 'adjustChild' } & ChildAdjustment)
  /** The conversation gets the session's name. */
  | { kind: 'renameConversation'; title: string }
  /** The conversation gets the session's tag and archive mark. */
  | { kind: 'writeLabels' }
  /** A command of the CLI can have changed the model. */
  | { kind: 'readModel' }
  /** Removes rules that the CLI wrote into the directory's settings. */
  | { kind: 'forgetFileRules'; rules: readonly string[] }
  /** The CLI and the record disagreed, and the record now says what the CLI says. */
  | { kind: 'logDifference'; message: string }
  | { kind: 'checkTranscript'; uuids: string[] }
  /** A turn begins: its directory is as it was at this time, in epoch milliseconds. */
  | { kind: 'noteFiles'; at: number }
  /** A turn has ended, and may have changed files. */
  | { kind: 'compareFiles'; owed: OwedDiff }
  | { kind: 'forget' };
