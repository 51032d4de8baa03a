/** What a thousand schedules cost at rest, and how late a due prompt is. */
import { promptViewSchema } from '../protocol/prompts.js';
import { scheduleRunsSchema, scheduleSchema } from '../protocol/schedules.js';
import type { Bench } from './support/bench.js';
import { sleep } from './support/clock.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { processorSeconds } from './support/process-figures.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const SCHEDULES = 1000;
const REST_S = 70;
const REST_S_QUICK = 15;
const DUE = 50;
const DUE_QUICK = 10;
const BETWEEN_MS = 200;
const AHEAD_MS = 2000;
const MOST_LATE_MS = 100;
/** Of a processor, in milliseconds a second: below this nothing can be told from the noise. */
const MOST_AT_REST = 1;
const SECOND_MS = 1000;

export const schedules: Bench = {
  name: 'schedules',
  run: async ({ quick }) => {
    const stage = await setStage({ binary: FAKE_CLI });
    const seconds = quick ? REST_S_QUICK : REST_S;
    try {
      const { id } = await ask(stage, 'POST', '/api/sessions', { workingDirectory: stage.daemon.project() });
      const sessionId = String(id);
      const without = await restOf(stage, seconds);
      for (let index = 0; index < SCHEDULES - DUE; index += 1) {
        const cron = `${index % 60} ${index % 24} 29 2 *`;
        await ask(stage, 'POST', '/api/schedules', { sessionId, prompt: 'Say hello.', cron });
      }
      const having = await restOf(stage, seconds);
      return [rowOfRest({ without, having }), await rowOfDue(stage, { sessionId, count: quick ? DUE_QUICK : DUE })];
    } finally {
      await stage.close();
    }
  },
};

async function ask({ daemon }: Stage, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await daemon.fetch(path, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

/** Milliseconds of a processor a second that the daemon uses by itself. */
async function restOf({ daemon }: Stage, seconds: number): Promise<number> {
  await sleep(SECOND_MS);
  const before = processorSeconds(daemon.pid);
  await sleep(seconds * SECOND_MS);
  return ((processorSeconds(daemon.pid) - before) * SECOND_MS) / seconds;
}

function rowOfRest({ without, having }: { without: number; having: number }): Row {
  return {
    figure: `${SCHEDULES - DUE} schedules at rest, processor time added`,
    goal: 'nothing measurable',
    measured: `${digits(having - without)} ms/s`,
    reference: `without schedules: ${digits(without)} ms/s`,
    ratio: having / without,
    goalRatio: 1,
    met: having - without < MOST_AT_REST,
  };
}

async function rowOfDue(stage: Stage, { sessionId, count }: { sessionId: string; count: number }): Promise<Row> {
  const first = Date.now() + AHEAD_MS;
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = new Date(first + index * BETWEEN_MS).toISOString();
    const made = await ask(stage, 'POST', '/api/schedules', { sessionId, prompt: 'Say hello.', at });
    ids.push(scheduleSchema.parse(made).id);
  }
  await sleep(first + count * BETWEEN_MS + AHEAD_MS - Date.now());
  const late: number[] = [];
  for (const id of ids) {
    const [run] = scheduleRunsSchema.parse(await ask(stage, 'GET', `/api/schedules/${id}/runs`)).runs;
    const path = `/api/sessions/${sessionId}/prompts/${run?.promptId}`;
    const prompt = promptViewSchema.parse(await ask(stage, 'GET', path));
    late.push(Date.parse(prompt.createdAt) - Date.parse(run?.dueAt ?? ''));
  }
  const distribution = distributionOf(late);
  return {
    figure: `a due prompt among ${SCHEDULES - DUE} schedules: from its time to its start`,
    goal: `< ${MOST_LATE_MS} ms`,
    measured: inMs(distribution),
    reference: 'its time',
    met: distribution.p99 < MOST_LATE_MS,
  };
}
