/** The session's steps as functions: whatever happens in whatever order, what clients rely on holds. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClaudeSessionId, DeviceId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { CliFact, TurnResult } from '../../services/ports/claude.js';
import type { EventRecord, PromptRecord, UserId } from '../../services/ports/records.js';
import * as child from '../../services/sessions/machine/decide-child.js';
import * as command from '../../services/sessions/machine/decide-command.js';
import { decideLines } from '../../services/sessions/machine/decide-fact.js';
import * as queue from '../../services/sessions/machine/decide-queue.js';
import { queuedPrompts, type SessionState, statusOf } from '../../services/sessions/machine/session-state.js';
import type { Effect, Step } from '../../services/sessions/machine/step-builder.js';
import { countOf } from '../support/counts.js';

const device = { userId: 'user' as UserId, deviceId: 'device' as DeviceId };

const fresh = (): SessionState => ({
  ticks: 0,
  record: {
    sessionId: 'session' as SessionId,
    owner: device.userId,
    directory: '/project',
    directoryKey: '1:1',
    messageCount: 0,
    totalCost: 0,
    createdAt: 0,
    updatedAt: 0,
    lastActivity: 0,
  },
  head: 0,
  child: { phase: 'none' },
  turn: null,
  prompts: [],
  permissions: [],
  background: [],
  tools: new Map(),
  failures: [],
});

const promptOf = (index: number, mode: PromptRecord['mode']): PromptRecord => ({
  promptId: `p${index}` as PromptId,
  sessionId: 'session' as SessionId,
  device,
  requestId: `r${index}`,
  uuid: `u${index}`,
  text: 'hello',
  mode,
  state: 'queued',
  announced: false,
  createdAt: index,
  answer: {},
});

const RESULT: TurnResult = {
  subtype: 'success',
  isError: false,
  finalResult: 'done',
  durationMs: 1,
  numTurns: 1,
  totalCost: 0,
  apiError: false,
  aborted: false,
  spontaneous: false,
};

/** A CLI of the real one's manners: it takes up what it is given, one turn at a time, and may die at any point. */
class Simulation {
  state = fresh();
  readonly events: EventRecord[] = [];
  readonly accepted = new Set<string>();
  #offset = 0;
  #children = 0;
  #given: string[] = [];
  #transcript = new Set<string>();
  #running: string[] = [];
  #prompts = 0;
  #untold: string[] = [];
  readonly #late: boolean;

  /** `late`: the CLI tells only during a turn which prompt began it, and never in its result (2.1.197). */
  constructor(late: boolean) {
    this.#late = late;
  }

  take(step: Step): void {
    this.state = step.state;
    for (const item of step.publications) if (item.kind === 'event') this.events.push(item.event);
    for (const effect of step.effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    if (effect.kind === 'startChild') this.#pending.push(() => this.#start());
    if (effect.kind === 'endChild') this.#pending.push(() => this.die());
    if (effect.kind === 'checkTranscript') this.#pending.push(() => this.#check(effect.uuids));
    if (!this.#alive) return;
    if (effect.kind === 'sendMessage') this.#given.push(effect.message.uuid);
    if (effect.kind === 'interrupt') this.#interrupted = true;
    if (effect.kind === 'withdrawMessages') this.#given = this.#given.filter((uuid) => !effect.uuids.includes(uuid));
  }

  #check(uuids: string[]): void {
    const found = new Set(uuids.filter((uuid) => this.#transcript.has(uuid)));
    this.take(child.onTranscriptChecked(this.state, { found }, 1));
  }

  readonly #pending: (() => void)[] = [];
  #alive = false;
  #interrupted = false;

  world(): void {
    this.#pending.shift()?.();
  }

  /** The CLI drops a steered prompt that it still holds. */
  withdraw(): void {
    const [prompt] = command.unreadPrompts(this.state).filter(({ uuid }) => this.#given.includes(uuid));
    if (!prompt) return;
    this.#given = this.#given.filter((uuid) => uuid !== prompt.uuid);
    this.take(queue.dropWithdrawn(this.state, prompt.promptId, 1));
  }

  settle(): void {
    this.take(queue.continueQueue(this.state, 1).step);
    for (let round = 0; round < 200; round += 1) {
      this.world();
      this.begin();
      this.finish(false);
    }
  }

  prompt(mode: PromptRecord['mode']): void {
    if (this.state.record.closed) return;
    this.#prompts += 1;
    const prompt = promptOf(this.#prompts, mode);
    this.accepted.add(prompt.promptId);
    this.take(command.acceptPrompt(this.state, prompt, 1));
  }

  begin(): void {
    const uuid = this.#alive ? this.#given.shift() : undefined;
    if (uuid === undefined || this.#transcript.has(uuid)) return;
    this.#transcript.add(uuid);
    this.#running.push(uuid);
    const init = {
      claudeSessionId: 'c' as ClaudeSessionId,
      workingDirectory: '/project',
      tools: [],
      mcpServers: [],
      model: 'm',
      permissionMode: 'default',
    };
    this.#untold.push(uuid);
    this.#lines({ kind: 'init', init }, ...(this.#late ? [] : this.#tell()));
  }

  say(): void {
    if (this.#running.length === 0) return;
    const block = { messageId: `m${this.#offset}`, blockIndex: 0, streamType: 'assistant_message' as const, text: '' };
    this.#lines({ kind: 'delta', block, offset: 0, text: 'words' }, ...this.#tell());
  }

  finish(isError: boolean): void {
    if (!this.#alive || this.#running.length === 0) return;
    const aborted = this.#interrupted;
    const subtype = aborted ? 'error_during_execution' : 'success';
    const named = this.#late ? {} : { messageUuids: this.#running };
    const result = { ...RESULT, aborted, subtype, isError: isError || aborted, ...named };
    this.#running = [];
    this.#interrupted = false;
    this.#lines(...this.#tell(), { kind: 'result', result });
  }

  spontaneous(): void {
    if (!this.#alive || this.#running.length > 0) return;
    this.#lines({ kind: 'result', result: { ...RESULT, spontaneous: true } });
  }

  die(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#given = [];
    this.#running = [];
    this.#untold = [];
    this.#interrupted = false;
    const exit = { code: 1, signal: null, lastWords: '' };
    const resumption = promptOf(this.#prompts, 'resume');
    this.#prompts += 1;
    this.take(child.onChildExited(this.state, { exit, cut: [], resumption }, 1));
  }

  #tell(): CliFact[] {
    return this.#untold.splice(0).map((uuid) => ({ kind: 'promptStarted', uuid }));
  }

  #start(): void {
    if (this.state.record.closed) {
      this.take(child.onStartCancelled(this.state, 1));
      return;
    }
    this.#alive = true;
    this.#children += 1;
    this.take(child.onChildStarted(this.state, { childId: `child${this.#children}` }, 1));
  }

  #lines(...facts: CliFact[]): void {
    this.#offset += 10;
    const line = { offset: this.#offset, end: this.#offset + 10, resume: this.#offset + 10, facts };
    this.take(decideLines(this.state, [line], 1));
  }
}

const ACTIONS: Record<string, (simulation: Simulation) => void> = {
  queue: (simulation) => simulation.prompt('queue'),
  steer: (simulation) => simulation.prompt('steer'),
  world: (simulation) => simulation.world(),
  begin: (simulation) => simulation.begin(),
  say: (simulation) => simulation.say(),
  finish: (simulation) => simulation.finish(false),
  fail: (simulation) => simulation.finish(true),
  spontaneous: (simulation) => simulation.spontaneous(),
  die: (simulation) => simulation.die(),
  interrupt: (simulation) => simulation.take(command.interrupt(simulation.state, { holdQueue: false }, 1)),
  clear: (simulation) => simulation.take(command.interrupt(simulation.state, { clearQueue: true }, 1)),
  hold: (simulation) => simulation.take(command.interrupt(simulation.state, {}, 1)),
  goOn: (simulation) => simulation.take(queue.continueQueue(simulation.state, 1).step),
  drop: (simulation) => simulation.take(queue.clearQueue(simulation.state, [], 1).step),
  withdraw: (simulation) => simulation.withdraw(),
  edit: (simulation) => {
    const prompt = queuedPrompts(simulation.state).find(({ announced, mode }) => !announced && mode !== 'resume');
    if (prompt) simulation.take(queue.editPrompt(simulation.state, { ...prompt, text: `${prompt.text}!` }, 1));
  },
  move: (simulation) => {
    const [first, ...others] = queuedPrompts(simulation.state).filter(({ mode }) => mode !== 'resume');
    const last = others.at(-1);
    if (!first || !last) return;
    const { promptId } = last;
    simulation.take(queue.movePrompt(simulation.state, { promptId, before: first.promptId }, 1).step);
  },
  cancel: (simulation) => {
    const [prompt] = simulation.state.prompts;
    if (prompt) simulation.take(command.cancelPrompt(simulation.state, prompt.promptId, 1));
  },
  close: (simulation) => simulation.take(command.close(simulation.state, 'enough', 1)),
  reopen: (simulation) => simulation.take(command.start(simulation.state, { changes: {} }, 1)),
};

const dataOf = (event: EventRecord) => JSON.parse(event.data) as { promptId?: string; steered?: string[] };

const histories = fc.array(fc.constantFrom(...Object.keys(ACTIONS)), { maxLength: 60 });

describe('the steps of a session', () => {
  test('I1: in any order of prompts, interrupts, deaths and reopenings every prompt that began ends exactly once', () => {
    fc.assert(
      fc.property(fc.boolean(), histories, (late, actions) => {
        const simulation = new Simulation(late);
        for (const action of actions) ACTIONS[action]?.(simulation);
        simulation.settle();
        const { events } = simulation;
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
        const began = events.filter(({ type }) => type === 'humanMessage').map((event) => dataOf(event).promptId);
        const ended = events
          .filter(({ type }) => type === 'streamComplete')
          .flatMap((event) => [dataOf(event).promptId ?? [], dataOf(event).steered ?? []].flat());
        expect(new Set(began).size).toBe(began.length);
        expect(new Set(ended).size).toBe(ended.length);
        expect(ended).toEqual(expect.arrayContaining(began));
        for (const promptId of ended) expect(simulation.accepted).toContain(promptId);
      }),
      { numRuns: countOf({ full: 3000, fast: 300 }) },
    );
  });

  test('nothing waits for ever: once the world has done what it was asked, no prompt and no turn is left', () => {
    fc.assert(
      fc.property(fc.boolean(), histories, (late, actions) => {
        const simulation = new Simulation(late);
        for (const action of actions) ACTIONS[action]?.(simulation);
        simulation.settle();
        expect(simulation.state.prompts).toEqual([]);
        expect(['idle', 'starting', 'hibernated', 'closed', 'error']).toContain(statusOf(simulation.state));
      }),
      { numRuns: countOf({ full: 3000, fast: 300 }) },
    );
  });
});
