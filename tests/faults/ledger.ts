/**
 * What devices were sent, written down outside of the daemon: it decides whether anything was lost, came twice, came
 * out of order or was invented. It knows nothing of how the daemon works; what it goes by is the wire and the script
 * of the Messages API.
 */
import type { Frame } from '../support/wire-client.js';

/** A prompt that the daemon has accepted, and what the API says to it: one text for each of its calls. */
export interface ExpectedTurn {
  promptId: string;
  /** In the prompt's text, and in no other's. */
  mark: string;
  texts: string[];
}

/** An event as whoever was sent it must have seen it. */
interface KnownEvent {
  type: string;
  /** All of it that must be the same for everybody, whenever they get it. */
  body: string;
}

interface DeviceRecord {
  got: Map<string, Set<number>>;
  acknowledged: Map<string, number>;
  /** It has sent an `ack`; one that never does is acknowledged by delivery. */
  acknowledges: boolean;
}

export interface Judgement {
  /** seq of the last event of each session. */
  heads: ReadonlyMap<string, number>;
  /** How often the API was asked to begin the turn of the prompt with this mark. */
  runs: (mark: string) => number;
}

type EventData = Frame['data'];

export class Ledger {
  readonly violations: string[] = [];
  readonly #events = new Map<string, Map<number, KnownEvent>>();
  readonly #devices = new Map<string, DeviceRecord>();
  readonly #turns = new Map<string, ExpectedTurn>();
  readonly #ended = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  readonly #openPermissions = new Set<string>();
  readonly #answered = new Map<string, string>();
  #epoch: string | undefined;

  violate(what: string): void {
    this.violations.push(what);
  }

  /** The daemon has said that it will run this prompt. Sent again, it must be the same prompt. */
  accepted(turn: ExpectedTurn): void {
    const known = [...this.#turns.values()].find(({ mark }) => mark === turn.mark);
    if (known && known.promptId !== turn.promptId) this.violate(`${turn.mark} was accepted as two prompts`);
    this.#turns.set(turn.promptId, turn);
  }

  /** Resolves when some device has seen the prompt's end. */
  ended(promptId: string): Promise<void> {
    if (this.#ended.has(promptId)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.set(promptId, resolve);
    });
  }

  get unfinished(): string[] {
    return [...this.#turns.values()].filter(({ promptId }) => !this.#ended.has(promptId)).map(({ mark }) => mark);
  }

  get turnCount(): number {
    return this.#turns.size;
  }

  isOpen(permissionId: string): boolean {
    return this.#openPermissions.has(permissionId);
  }

  get anyPermissionOpen(): boolean {
    return this.#openPermissions.size > 0;
  }

  /** The device was told that its answer has decided. */
  answered(permissionId: string, decision: string): void {
    if (this.#answered.has(permissionId)) this.violate(`${permissionId} was decided by two answers`);
    this.#answered.set(permissionId, decision);
  }

  /** The device says that it has everything up to here, and is going to tell the daemon. */
  acknowledged(deviceId: string, sessionId: string, seq: number): void {
    this.#device(deviceId).acknowledges = true;
    this.begins(deviceId, sessionId, seq);
  }

  /** What came up to here is none of the device's business. */
  begins(deviceId: string, sessionId: string, seq: number): void {
    const { acknowledged } = this.#device(deviceId);
    acknowledged.set(sessionId, Math.max(seq, acknowledged.get(sessionId) ?? 0));
  }

  acknowledgedUpTo(deviceId: string, sessionId: string): number {
    return this.#device(deviceId).acknowledged.get(sessionId) ?? 0;
  }

  /** As far as the daemon may think that this device has come. */
  furthest(deviceId: string, sessionId: string): number {
    const { acknowledged, acknowledges, got } = this.#device(deviceId);
    const seq = acknowledged.get(sessionId) ?? 0;
    return acknowledges ? seq : Math.max(seq, ...(got.get(sessionId) ?? []));
  }

  /** Every daemon must keep the epoch: its journal was never lost. */
  sawEpoch(epoch: string): void {
    this.#epoch ??= epoch;
    if (epoch !== this.#epoch) this.violate(`the epoch changed from ${this.#epoch} to ${epoch}`);
  }

  /** An event came to a device; the same seq must be the same event for everybody and for ever. */
  sawEvent(deviceId: string, frame: Frame): void {
    const { sessionId = '', seq = 0, type, timestamp, data } = frame;
    this.sawEpoch(String(frame.epoch));
    const got = this.#device(deviceId).got;
    got.set(sessionId, (got.get(sessionId) ?? new Set()).add(seq));
    const events = this.#events.get(sessionId) ?? new Map<number, KnownEvent>();
    this.#events.set(sessionId, events);
    const body = JSON.stringify({ timestamp, data });
    const known = events.get(seq);
    if (!known) this.#tookPlace(events, seq, { type, body }, data);
    else if (known.type !== type || known.body !== body) {
      this.violate(`${sessionId} ${seq} came as ${known.type} ${known.body} and as ${type} ${body}`);
    }
  }

  #tookPlace(events: Map<number, KnownEvent>, seq: number, event: KnownEvent, data: EventData): void {
    events.set(seq, event);
    if (event.type === 'permissionRequest') this.#openPermissions.add(data.permissionId);
    if (event.type === 'permissionResolved') this.#openPermissions.delete(data.permissionId);
    if (event.type !== 'streamComplete') return;
    this.#ended.add(data.promptId);
    this.#waiting.get(data.promptId)?.();
  }

  #device(deviceId: string): DeviceRecord {
    const known = this.#devices.get(deviceId) ?? { got: new Map(), acknowledged: new Map(), acknowledges: false };
    this.#devices.set(deviceId, known);
    return known;
  }

  /** All that was found wrong, once everything has come to rest. */
  judge({ heads, runs }: Judgement): string[] {
    for (const sessionId of this.#events.keys()) {
      if (!heads.has(sessionId)) this.violate(`events of ${sessionId} came, and there is no such session`);
    }
    const completed = new Map<string, number>();
    for (const [sessionId, head] of heads) {
      this.#judgeDelivery(sessionId, head);
      this.#judgeSession(sessionId, head, completed);
    }
    for (const { promptId, mark } of this.#turns.values()) {
      if (runs(mark) !== 1) this.violate(`${mark} was begun ${runs(mark)} times`);
      if (completed.get(promptId) !== 1) this.violate(`${mark} ended ${completed.get(promptId) ?? 0} times`);
    }
    return this.violations;
  }

  #judgeDelivery(sessionId: string, head: number): void {
    for (const [deviceId, { got }] of this.#devices) {
      const seqs = got.get(sessionId) ?? new Set();
      const missing = Array.from({ length: head }, (_, index) => index + 1).filter((seq) => !seqs.has(seq));
      if (missing.length > 0) this.violate(`${deviceId} never got ${missing.join()} of ${sessionId}`);
      if (seqs.size + missing.length > head) this.violate(`${deviceId} got more of ${sessionId} than there is`);
    }
  }

  /** Goes through a session's events as they happened. */
  #judgeSession(sessionId: string, head: number, completed: Map<string, number>): void {
    const story = new SessionStory(sessionId, this.#turns, this.#answered, (what) => this.violate(what));
    for (let seq = 1; seq <= head; seq += 1) {
      const event = this.#events.get(sessionId)?.get(seq);
      if (event) story.tell(event.type, (JSON.parse(event.body) as { data: EventData }).data);
    }
    story.end();
    for (const promptId of story.completed) completed.set(promptId, (completed.get(promptId) ?? 0) + 1);
  }
}

/** One session's events in their order: what was said in each turn, who was asked, which tools were used. */
class SessionStory {
  readonly completed: string[] = [];
  readonly #violate: (what: string) => void;
  readonly #turns: ReadonlyMap<string, ExpectedTurn>;
  readonly #answered: ReadonlyMap<string, string>;
  readonly #begun = new Set<string>();
  readonly #decisions = new Map<string, string[]>();
  readonly #results = new Map<string, number>();
  #said: string[] = [];

  constructor(
    sessionId: string,
    turns: ReadonlyMap<string, ExpectedTurn>,
    answered: ReadonlyMap<string, string>,
    violate: (what: string) => void,
  ) {
    this.#turns = turns;
    this.#answered = answered;
    this.#violate = (what) => violate(`${sessionId}: ${what}`);
  }

  tell(type: string, data: EventData): void {
    const { permissionId, toolId } = data;
    const handlers: Record<string, () => void> = {
      humanMessage: () => this.#begin(data.promptId),
      assistantMessage: () => this.#say(data),
      streamComplete: () => this.#complete(data),
      permissionRequest: () => this.#ask(permissionId),
      permissionResolved: () => this.#decisions.get(permissionId)?.push(String(data.decision)),
      toolUse: () => this.#results.set(toolId, 0),
      toolResult: () => this.#results.set(toolId, (this.#results.get(toolId) ?? 0) + 1),
      error: () => this.#violate(`an error: ${JSON.stringify(data)}`),
    };
    handlers[type]?.();
  }

  #ask(permissionId: string): void {
    if (this.#decisions.has(permissionId)) this.#violate(`${permissionId} was asked twice`);
    this.#decisions.set(permissionId, []);
  }

  #begin(promptId: string): void {
    if (!this.#turns.has(promptId)) this.#violate(`${promptId} began, and nobody was told that it was accepted`);
    if (this.#begun.has(promptId)) this.#violate(`${promptId} was announced twice`);
    this.#begun.add(promptId);
    this.#said = [];
  }

  #say({ content, partial }: EventData): void {
    if (partial) this.#violate(`a part of a block was taken for the whole: ${JSON.stringify(content)}`);
    for (const { type, text } of content) if (type === 'text') this.#said.push(text);
  }

  #complete({ promptId, subtype, finalResult, duration }: EventData): void {
    this.completed.push(promptId);
    const texts = this.#turns.get(promptId)?.texts ?? [];
    if (subtype !== 'success') this.#violate(`${promptId} ended with ${subtype}`);
    if (this.#said.join('\n') !== texts.join('\n')) {
      this.#violate(`${promptId} was answered ${JSON.stringify(this.#said)} instead of ${JSON.stringify(texts)}`);
    }
    if (finalResult !== texts.at(-1)) this.#violate(`${promptId} has the result ${String(finalResult)}`);
    if (typeof duration !== 'number' || duration < 0) this.#violate(`${promptId} took ${String(duration)} ms`);
    this.#said = [];
  }

  end(): void {
    for (const [permissionId, decisions] of this.#decisions) {
      const told = this.#answered.get(permissionId);
      if (decisions.length !== 1) this.#violate(`${permissionId} was decided ${decisions.length} times`);
      if (told !== undefined && told !== decisions[0]) this.#violate(`${permissionId}: ${told} became ${decisions[0]}`);
    }
    for (const [toolId, times] of this.#results) {
      if (times !== 1) this.#violate(`${toolId} has ${times} results`);
    }
  }
}
