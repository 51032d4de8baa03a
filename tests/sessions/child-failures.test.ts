/** How children that fail are started again, as steps: when, how often, and when no more. */
import { describe, expect, test } from '@jest/globals';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { UserId } from '../../services/ports/records.js';
import * as child from '../../services/sessions/machine/decide-child.js';
import { onInterruptIgnored, onSilence } from '../../services/sessions/machine/decide-child.js';
import * as command from '../../services/sessions/machine/decide-command.js';
import { decideLines } from '../../services/sessions/machine/decide-fact.js';
import type { SessionState } from '../../services/sessions/machine/session-state.js';
import type { Step } from '../../services/sessions/machine/step-builder.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { newPrompt } from '../../services/sessions/new-prompt.js';
import { sessionRecord } from '../support/session-record.js';

const MINUTE_MS = 60_000;
const device = { userId: 'user' as UserId, deviceId: 'phone' as DeviceId };
const sessionId = 'session' as SessionId;

let prompts = 0;
const promptOf = (text: string) => {
  prompts += 1;
  return newPrompt({ sessionId, device, requestId: `r${prompts}`, text, now: 1 });
};

/** A session without a child, into whose days steps are put. */
class Life {
  state: SessionState = {
    ...stateOf({ record: sessionRecord('session'), head: 0, prompts: [], permissions: [] }),
    ticks: 0,
  };
  step: Step | undefined;
  readonly ended: unknown[] = [];

  take(decide: (state: SessionState) => Step): this {
    const step = decide(this.state);
    this.state = step.state;
    this.step = step;
    for (const one of step.publications) {
      if (one.kind !== 'event' || one.event.type !== 'streamComplete') continue;
      this.ended.push((JSON.parse(one.event.data) as { subtype: string }).subtype);
    }
    return this;
  }

  after(ms: number): this {
    this.state = { ...this.state, ticks: this.state.ticks + ms };
    return this;
  }

  prompt(): this {
    return this.take((state) => command.acceptPrompt(state, promptOf('hello'), 1));
  }

  start(): this {
    return this.take((state) => child.onChildStarted(state, { childId: `child-${state.head}` }, 1));
  }

  /** Its transcript holds nothing. */
  die(): this {
    const exit = { code: 3, signal: null, lastWords: 'no' };
    this.take((state) => child.onChildExited(state, { exit, cut: [], resumption: promptOf('go on') }, 1));
    if (this.state.child.phase !== 'checking') return this;
    return this.take((state) => child.onTranscriptChecked(state, { found: new Set() }, 1));
  }

  /** In how many milliseconds the last step wants a child; undefined when it wants none. */
  get delayMs(): number | undefined {
    return this.step?.effects.flatMap((effect) => (effect.kind === 'startChild' ? [effect.delayMs] : []))[0];
  }
}

describe('a child that dies before the end of a turn', () => {
  test('is started again after 1, 2, 4 and 8 s, and given up with the fifth death: its prompt ends once', () => {
    const life = new Life().prompt();
    const delays = [life.delayMs];
    for (let death = 0; death < 5; death += 1) delays.push(life.start().die().delayMs);
    expect(delays).toEqual([0, 1000, 2000, 4000, 8000, undefined]);
    expect(life.state.record.failed?.reason).toContain('no');
    expect([life.state.prompts, life.ended]).toEqual([[], ['child_exited']]);
    expect(life.prompt().delayMs).toBe(0);
    expect(life.state.record.failed).toBeUndefined();
  });

  test('is not given up when the deaths are spread over more than ten minutes, and waits for no more than the late ones', () => {
    const life = new Life().prompt();
    for (let death = 0; death < 12; death += 1) {
      life
        .start()
        .after(3 * MINUTE_MS)
        .die();
      expect(life.state.record.failed).toBeUndefined();
      expect(life.delayMs).toBeLessThanOrEqual(8000);
    }
    expect(life.ended).toEqual([]);
  });

  test('does not delay what is asked for when it would have been started by then', () => {
    const life = new Life().prompt().start().die().start().die();
    const idle = { ...life.state, prompts: [], child: { phase: 'none' as const } };
    const later = (ms: number) => {
      const asked = new Life();
      asked.state = idle;
      return asked.after(ms).prompt().delayMs;
    };
    expect([later(0), later(500), later(2000), later(11 * MINUTE_MS)]).toEqual([2000, 1500, 0, 0]);
  });

  test('counts as well again with the end of a turn, but not with one that ended since it was told to end', () => {
    const result = { subtype: 'error_during_execution', isError: true, finalResult: '', durationMs: 1, numTurns: 1 };
    const flags = { totalCost: 0, apiError: false, aborted: true, spontaneous: false };
    const end = (life: Life) =>
      life.take((state) =>
        decideLines(
          state,
          [{ offset: 0, end: 10, resume: 10, facts: [{ kind: 'result', result: { ...result, ...flags } }] }],
          1,
        ),
      );
    const well = end(new Life().prompt().start().die().start());
    expect(well.state.failures).toEqual([]);
    const ending = new Life().prompt().start().die().start();
    end(ending.take((state) => command.dismissChild(state, 1)));
    expect(ending.state.failures).toHaveLength(1);
  });
});

describe('a child that was interrupted', () => {
  const interrupted = () => {
    const life = new Life().prompt().start();
    return life.after(5).take((state) => command.interrupt(state, {}, 1));
  };
  const startedAt = (life: Life) => life.state.turn?.startedAt ?? -1;

  test('H1: is replaced when its turn goes on', () => {
    const life = interrupted();
    life.take((state) => onInterruptIgnored(state, startedAt(life), 1));
    expect(life.step?.effects).toEqual([{ kind: 'endChild', insist: true }]);
    expect(life.state.child).toEqual({ phase: 'ending', restart: true });
    life.die();
    expect([life.ended, life.delayMs]).toEqual([['interrupted'], 0]);
  });

  test('H1: is let be when that turn is over, whatever came after it', () => {
    const life = interrupted();
    const before = startedAt(life);
    life.state = { ...life.state, turn: null };
    life.take((state) => onInterruptIgnored(state, before, 1));
    expect(life.step?.effects).toEqual([]);
    life.prompt().after(1).prompt();
    life.take((state) => onInterruptIgnored(state, before - 1, 1));
    expect(life.state.child.phase).toBe('live');
  });
});

test('H1: silence is told as what it is, and replaces a child only that has been deaf for ten minutes', () => {
  const life = new Life().prompt().start();
  const told = (silence: { silentMs: number; deafMs?: number; isStreaming?: boolean }) => {
    const { silentMs, deafMs, isStreaming = false } = silence;
    const { publications, effects } = onSilence(life.state, { silentMs, deafMs, isStreaming }, 1);
    const said = publications.map((one) =>
      one.kind === 'frame' && one.frame.type === 'progress' ? [one.frame.data.stage, one.frame.data.message] : one.kind,
    );
    return { said: said[0], effects };
  };
  expect(told({ silentMs: MINUTE_MS }).said).toEqual(['silent', expect.stringContaining('nothing for 1 min')]);
  expect(told({ silentMs: 59_500, isStreaming: true }).said).toEqual(['api', 'still waiting for the API, 1 min']);
  const hung = told({ silentMs: 125 * MINUTE_MS, deafMs: 9 * MINUTE_MS });
  expect(hung).toEqual({ said: ['unresponsive', expect.stringContaining('2 h 5 min')], effects: [] });
  expect(told({ silentMs: 11 * MINUTE_MS, deafMs: 10 * MINUTE_MS }).effects).toEqual([
    { kind: 'endChild', insist: true },
  ]);
});
