/** What a session knows of the limits of its account, as steps. */
import { describe, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import type { CliFact } from '../../services/ports/claude.js';
import type { LimitReading, LimitWindow } from '../../services/ports/records.js';
import { onChildStarted } from '../../services/sessions/machine/decide-child.js';
import * as command from '../../services/sessions/machine/decide-command.js';
import { decideLines } from '../../services/sessions/machine/decide-fact.js';
import { isUnused, type SessionState } from '../../services/sessions/machine/session-state.js';
import type { Step } from '../../services/sessions/machine/step-builder.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { onUsageWindows } from '../../services/sessions/machine/usage-limits.js';
import { newContinuation, newPrompt } from '../../services/sessions/new-prompt.js';
import { sessionRecord } from '../support/session-record.js';

const RESET = 1_800_000_000_000;
const WEEK = RESET + 86_400_000;
const FULL: LimitReading = { status: 'rejected', window: 'five_hour', resetsAt: RESET };
const REFUSED = {
  kind: 'result',
  result: {
    subtype: 'success',
    isError: true,
    finalResult: "You've hit your session limit",
    durationMs: 1,
    numTurns: 1,
    apiError: true,
    aborted: false,
    spontaneous: false,
  },
} satisfies CliFact;
const WELL = { ...REFUSED, result: { ...REFUSED.result, isError: false, finalResult: 'Well.', apiError: false } };

/** A session with a child, into whose life steps are put. */
class Life {
  state: SessionState;
  #offset = 0;
  readonly told: { type: string; data: Record<string, unknown> }[] = [];

  constructor() {
    const stored = stateOf({ record: sessionRecord('session'), head: 0, prompts: [], permissions: [] });
    this.state = onChildStarted(stored, { childId: 'child' }, 1).state;
  }

  take(step: Step | undefined): this {
    if (!step) return this;
    this.state = step.state;
    for (const one of step.publications) {
      if (one.kind === 'event') this.told.push({ type: one.event.type, data: JSON.parse(one.event.data) });
    }
    return this;
  }

  /** A line of the child says this. */
  hears(...facts: CliFact[]): this {
    this.#offset += 1;
    const line = { offset: this.#offset, end: this.#offset + 1, resume: this.#offset + 1, facts };
    return this.take(decideLines(this.state, [line], this.#offset));
  }

  prompt(): this {
    const { sessionId, owner } = this.state.record;
    const device = { userId: owner, deviceId: 'phone' as never };
    const requestId = `r${this.#offset}`;
    const prompt = newPrompt({ sessionId: sessionId as SessionId, device, requestId, text: 'hello', now: 1 });
    return this.take(command.acceptPrompt(this.state, prompt, 1));
  }

  /** Whether the reset would continue it now. */
  goOn(): boolean {
    const step = command.continueAfterReset(this.state, newContinuation(this.state.record, 1), 1);
    this.take(step);
    return step !== undefined;
  }

  of(type: string) {
    return this.told.filter((one) => one.type === type).map(({ data }) => data);
  }
}

describe('the event', () => {
  test('comes when a reading differs, not when the share of another window does', () => {
    const windows = [{ window: 'seven_day', utilization: 0.1 }];
    const life = new Life().hears({ kind: 'limit', limit: { ...FULL, windows } });
    life.hears({ kind: 'limit', limit: { ...FULL, windows: [{ window: 'seven_day', utilization: 0.2 }] } });
    life.hears({ kind: 'limit', limit: { ...FULL } });
    expect(life.of('rateLimit')).toHaveLength(1);
    expect(life.state.record.limits?.windows).toEqual([{ window: 'seven_day', utilization: 0.2 }]);
    life.hears({ kind: 'limit', limit: { ...FULL, status: 'allowed' } });
    expect(life.of('rateLimit').map(({ status }) => status)).toEqual(['rejected', 'allowed']);
  });

  test('comes of an answer to get_usage that is news, under the name that the CLI gave the reset before', () => {
    const ask = (life: Life, windows: LimitWindow[]) => life.take(onUsageWindows(life.state, windows, 9));
    const life = new Life().hears({
      kind: 'limit',
      limit: {
        status: 'warning',
        window: 'five_hour',
        utilization: 0.9,
        resetsAt: RESET,
        windows: [{ window: 'five_hour', utilization: 0.9, resetsAt: RESET }],
      },
    });
    ask(life, [{ window: 'five_hour', utilization: 0.9, resetsAt: RESET + 400 }]);
    expect(life.of('rateLimit')).toHaveLength(1);
    ask(life, [
      { window: 'five_hour', utilization: 0.95, resetsAt: RESET + 400 },
      { window: 'seven_day', utilization: 0.3, resetsAt: WEEK },
    ]);
    const resetsAt = new Date(RESET).toISOString();
    expect(life.of('rateLimit')[1]).toMatchObject({ status: 'warning', utilization: 0.95, resetsAt });
    const { lastActivity, updatedAt } = life.state.record;
    ask(life, [{ window: 'five_hour', utilization: 0.01, resetsAt: WEEK }]);
    expect(life.state.record).toMatchObject({ lastActivity, updatedAt });
    expect(life.of('rateLimit')[2]).toMatchObject({ status: 'allowed', utilization: 0.01 });
    expect(ask(new Life(), []).told).toEqual([]);
  });

  test('of a pace that was refused is over with the next answer; a turn that fails by it is no usage limit', () => {
    const pace = { ...REFUSED, result: { ...REFUSED.result, finalResult: 'API Error: Request rejected (429)' } };
    const life = new Life().prompt().hears({ kind: 'refusedForNow', delayMs: 500 }).hears(pace);
    expect(life.of('streamComplete')[0]).toMatchObject({ subtype: 'api_error' });
    life.prompt().hears(WELL);
    expect(life.of('rateLimit').map(({ status }) => status)).toEqual(['rejected', 'allowed']);
  });
});

describe('a continuation', () => {
  const waiting = () => {
    const life = new Life();
    life.take(command.amend(life.state, { autoContinue: true }, 1));
    return life.prompt().hears({ kind: 'limit', limit: FULL }).hears(REFUSED);
  };

  test('comes once for a reset, and again only for another, or when a person asks for it again', () => {
    const life = waiting();
    expect([life.goOn(), life.goOn()]).toEqual([true, false]);
    life.hears(REFUSED);
    expect(life.goOn()).toBe(false);
    life.take(command.amend(life.state, { autoContinue: true }, 1));
    expect(life.goOn()).toBe(true);
    life.hears({ kind: 'limit', limit: { ...FULL, resetsAt: WEEK } }).hears(REFUSED);
    expect(life.goOn()).toBe(true);
  });

  test('does not come while a turn runs, where the reset is not known, or in a session that was given up', () => {
    const busy = waiting();
    busy.take(command.amend(busy.state, { autoContinue: false }, 1)).prompt();
    busy.take(command.amend(busy.state, { autoContinue: true }, 1));
    expect(busy.goOn()).toBe(false);
    const unknown = new Life();
    unknown
      .take(command.amend(unknown.state, { autoContinue: true }, 1))
      .prompt()
      .hears(REFUSED);
    expect(unknown.goOn()).toBe(false);
    const failed = waiting();
    failed.state = { ...failed.state, record: { ...failed.state.record, failed: { reason: 'x' } } };
    expect(failed.goOn()).toBe(false);
  });

  test('keeps its session from being closed as unused', () => {
    expect(isUnused(waiting().state, Number.POSITIVE_INFINITY)).toBe(false);
    const life = new Life().prompt().hears({ kind: 'limit', limit: FULL }).hears(REFUSED);
    expect(isUnused(life.state, Number.POSITIVE_INFINITY)).toBe(true);
  });
});
