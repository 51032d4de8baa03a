/** What waits, what was used today, and how far the budgets are: for the command `status`. */
import type { BudgetView } from '../protocol/budgets.js';
import { plainLine } from '../protocol/plain-text.js';
import { type Usage, usageSchema } from '../protocol/usage.js';
import { type Waiting, waitingSchema } from '../protocol/waiting.js';
import { dollars } from './amounts.js';
import { findAnswer } from './local-daemon.js';

/** Parts are absent from a daemon of a version that does not know them. */
export interface Standing {
  waiting?: Waiting['sessions'];
  /** Of today, in UTC. */
  usage?: Usage['rows'][number];
  budgets?: BudgetView[];
}

export async function readStanding(socketPath: string, now = new Date()): Promise<Standing> {
  const today = now.toISOString().slice(0, 'yyyy-mm-dd'.length);
  const usagePath = `/api/usage?group=day&from=${today}&to=${today}`;
  const [waiting, usage] = await Promise.all([
    findAnswer({ socketPath, path: '/api/waiting' }, waitingSchema),
    findAnswer({ socketPath, path: usagePath }, usageSchema),
  ]);
  const [row] = usage?.rows ?? [];
  return {
    ...(waiting && { waiting: waiting.sessions }),
    ...(row && { usage: row }),
    ...(usage && { budgets: usage.budgets }),
  };
}

export const standingLines = ({ waiting = [], usage, budgets = [] }: Standing): string[] => [
  ...waitingLines(waiting),
  ...(usage ? [`  today: ${usageInWords(usage)}`] : []),
  ...budgets.map((budget) => `  ${budgetInWords(budget)}`),
];

function waitingLines(sessions: Waiting['sessions']): string[] {
  const asked = sessions.reduce((sum, { permissions }) => sum + permissions.length, 0);
  const prompts = sessions.reduce((sum, { promptCount }) => sum + promptCount, 0);
  if (asked + prompts === 0) return [];
  return [`  waiting: ${counted(asked, 'request')}; running or waiting: ${counted(prompts, 'prompt')}`];
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function usageInWords({ turns, input, output, cacheWrite, cost }: NonNullable<Standing['usage']>): string {
  return `${counted(turns, 'turn')}, ${grouped(input + output + cacheWrite)} tokens, ${dollars(cost)}`;
}

const PERIODS = { day: 'a day', week: 'a week', always: 'in all' } as const;

function budgetInWords({ of, sessionId, period, tokens, dollars: limit = 0, ...budget }: BudgetView): string {
  const whose = of === 'person' ? 'all sessions' : sessionId === undefined ? 'each session' : plainLine(sessionId, 40);
  const { used, state, stop } = budget;
  const amount =
    tokens === undefined ? `${dollars(used)} of ${dollars(limit)}` : `${grouped(used)} of ${grouped(tokens)} tokens`;
  const end = state === 'exceeded' ? (stop ? ', used up: prompts are refused' : ', used up') : '';
  return `budget of ${whose}: ${amount} ${PERIODS[period]}${end}`;
}

const grouped = (count: number): string => count.toLocaleString('en');
