/** What `status` says of what waits, of today and of budgets. */
import { expect, test } from '@jest/globals';
import { type Standing, standingLines } from '../../cli/status-lines.js';
import type { BudgetView } from '../../protocol/budgets.js';

const budget = (fields: Partial<BudgetView>): BudgetView => ({
  budgetId: 'b',
  of: 'person',
  person: 'ann@example.org',
  period: 'day',
  warnAt: 0.8,
  stop: false,
  used: 0,
  remaining: 0,
  state: 'ok',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  ...fields,
});
const session = { sessionId: 's', workingDirectory: '/s', status: 'idle', prompts: [], permissions: [] } as const;
const waiting = (promptCount: number) => [{ ...session, promptCount, prompts: [], permissions: [] }];
const usage = { key: '2026-11-30', turns: 1, input: 200, output: 34, cacheRead: 1e6, cacheWrite: 1000, cost: 0.125 };

test.each<[Standing, string[]]>([
  [{}, []],
  [{ waiting: [], budgets: [] }, []],
  [{ waiting: waiting(1) }, ['  waiting: 0 requests; running or waiting: 1 prompt']],
  [{ usage }, ['  today: 1 turn, 1,234 tokens, $0.13']],
  [{ budgets: [budget({ tokens: 100_000, used: 1100 })] }, ['  budget of all sessions: 1,100 of 100,000 tokens a day']],
  [
    { budgets: [budget({ of: 'session', period: 'week', dollars: 5, used: 5.5, state: 'exceeded', stop: true })] },
    ['  budget of each session: $5.50 of $5.00 a week, used up: prompts are refused'],
  ],
  [
    {
      budgets: [budget({ of: 'session', sessionId: 'one\n', period: 'always', tokens: 1, used: 2, state: 'exceeded' })],
    },
    ['  budget of one: 2 of 1 tokens in all, used up'],
  ],
])('%#', (standing, lines) => expect(standingLines(standing)).toEqual(lines));
