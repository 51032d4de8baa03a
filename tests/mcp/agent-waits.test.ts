import { expect, test } from '@jest/globals';
import { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import { AgentWaits } from '../../routes/mcp/agent-waits.js';

const [a, b, c] = ['a', 'b', 'c'] as SessionId[] as [SessionId, SessionId, SessionId];

test('a circle of waits is refused, however long, and not after one of them has ended', () => {
  const waits = new AgentWaits();
  waits.begin(a, b);
  const endSecond = waits.begin(b, c);
  for (const [from, to] of [
    [c, a],
    [c, b],
    [a, a],
  ] as const) {
    expect(() => waits.begin(from, to)).toThrow(CompanionError);
  }
  endSecond();
  waits.begin(c, a);
  expect(() => waits.begin(b, c)).toThrow(CompanionError);
});

test('clients outside of the sessions, and agents that wait for the same one, are in no circle', () => {
  const waits = new AgentWaits();
  waits.begin(undefined, a);
  waits.begin(a, c);
  const end = waits.begin(b, c);
  waits.begin(b, c);
  end();
  expect(() => waits.begin(c, b)).toThrow(CompanionError);
});
