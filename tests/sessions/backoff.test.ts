/** How long a session whose children died waits before it starts another. */
import { expect, test } from '@jest/globals';
import type { DeviceId } from '../../protocol/scalars.js';
import type { UserId } from '../../services/ports/records.js';
import { acceptPrompt } from '../../services/sessions/machine/decide-command.js';
import type { SessionState } from '../../services/sessions/machine/session-state.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { newPrompt } from '../../services/sessions/new-prompt.js';
import { sessionRecord } from '../support/session-record.js';

/** How long a prompt that is accepted at this time waits for a child, in milliseconds. */
function delayOf(ticks: number, failures: number[]): number | undefined {
  const record = sessionRecord('session');
  const state: SessionState = { ...stateOf({ record, head: 0, prompts: [], permissions: [] }), ticks, failures };
  const device = { userId: 'user' as UserId, deviceId: 'device' as DeviceId };
  const prompt = newPrompt({ sessionId: record.sessionId, device, requestId: null, text: 'hello', now: 0 });
  const [effect] = acceptPrompt(state, prompt, 0).effects;
  return effect?.kind === 'startChild' ? effect.delayMs : undefined;
}

test.each([
  ['none has died', 10_000, [], 0],
  ['one has just died', 10_000, [10_000], 1000],
  ['three have, the last just now', 10_000, [4000, 6000, 10_000], 4000],
  ['a part of the time has passed', 10_000, [9400], 400],
  ['the time has passed', 10_000, [6000, 7000], 0],
  ['many have', 100_000, [...Array(20).keys()].map(() => 100_000), 60_000],
] as [string, number, number[], number][])('a start when %s', (_, ticks, failures, delayMs) => {
  expect(delayOf(ticks, failures)).toBe(delayMs);
});
