/** kill -9 in the second in which schedules are due. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { type PromptView, promptViewSchema } from '../../protocol/prompts.js';
import { type ScheduleRunView, scheduleRunsSchema } from '../../protocol/schedules.js';
import { countOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { createRandom } from './random.js';

const KILLS = countOf({ full: 200, fast: 3 });
/** Due a few milliseconds after each other, so that one is before, in and behind the kill. */
const DUE_MS = [0, 5, 15, 40];
/** The daemon is killed at some time of these, reckoned from the first due time. */
const KILLED_FROM_MS = -10;
const KILLED_WITHIN_MS = 70;
/** From the request to the first due time. */
const AHEAD_MS = 1500;
const TEST_MS = 60_000 + KILLS * 10_000;

const world = useWorld();
const random = createRandom(7);

async function ask(method: string, path: string, body?: unknown) {
  const response = await world.daemon.fetch(path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

interface Scheduled {
  id: string;
  mark: string;
}

async function schedule(sessionId: string, round: number): Promise<{ due: number; all: Scheduled[] }> {
  const due = Date.now() + AHEAD_MS;
  const all = DUE_MS.map(async (later, index) => {
    const mark = `mark-${round}-${index}-`;
    const at = new Date(due + later).toISOString();
    const prompt = `${mark} ${scenario({ text: 'Done.' })}`;
    const added = await ask('POST', '/api/schedules', { sessionId, prompt, at });
    expect(added.status).toBe(201);
    return { id: String(added.body.id), mark };
  });
  return { due, all: await Promise.all(all) };
}

const runsOf = async (id: string): Promise<ScheduleRunView[]> =>
  scheduleRunsSchema.parse((await ask('GET', `/api/schedules/${id}/runs`)).body).runs;
const promptOf = async (sessionId: string, promptId = ''): Promise<PromptView> =>
  promptViewSchema.parse((await ask('GET', `/api/sessions/${sessionId}/prompts/${promptId}`)).body);

/** What came of one that was due, when all of it is over. */
async function outcomeOf(sessionId: string, { id, mark }: Scheduled) {
  await waitUntil(`${mark} is on record`, async () => (await runsOf(id)).some(({ state }) => state !== 'due'));
  const runs = await runsOf(id);
  for (const { promptId } of runs) {
    if (promptId === undefined) continue;
    await waitUntil(`${mark} has ended`, async () => (await promptOf(sessionId, promptId)).completedAt !== undefined);
  }
  return { mark, states: runs.map(({ state }) => state), ran: world.api.runs(mark) };
}

test(
  `I1: ${KILLS} kills, each at due times: each that was due has run once, and says so`,
  async () => {
    const opened = await ask('POST', '/api/sessions', { workingDirectory: world.daemon.project() });
    const sessionId = String(opened.body.id);
    for (let round = 0; round < KILLS; round += 1) {
      const { due, all } = await schedule(sessionId, round);
      await delay(due - Date.now() + KILLED_FROM_MS + random.integer(KILLED_WITHIN_MS));
      await world.daemon.restart('SIGKILL');
      const outcomes = await Promise.all(all.map((one) => outcomeOf(sessionId, one)));
      expect(outcomes).toEqual(all.map(({ mark }) => ({ mark, states: ['sent'], ran: 1 })));
      for (const { id } of all) await ask('DELETE', `/api/schedules/${id}`);
    }
  },
  TEST_MS,
);
