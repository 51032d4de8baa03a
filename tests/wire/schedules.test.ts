/** Prompts that the daemon sends by itself, at a time or again and again. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type PromptView, promptViewSchema } from '../../protocol/prompts.js';
import {
  type ScheduleRunView,
  type ScheduleView,
  scheduleRunSchema,
  scheduleRunsSchema,
  scheduleSchema,
  schedulesSchema,
} from '../../protocol/schedules.js';
import { bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const SCHEDULES = '/api/schedules';

interface Asking {
  body?: unknown;
  headers?: Record<string, string>;
}

async function ask(method: string, path: string, { body, headers = {} }: Asking = {}) {
  const response = await world.daemon.fetch(path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  });
  const { status } = response;
  return { status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}

let directory = '';
let sessionId = '';
beforeAll(async () => {
  directory = world.daemon.project();
  const { body } = await ask('POST', '/api/sessions', { body: { workingDirectory: directory } });
  sessionId = String(body.id);
});

const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
const viewOf = (body: unknown): ScheduleView => scheduleSchema.strict().parse(body);
const add = async (body: object) => {
  const created = await ask('POST', SCHEDULES, { body: { sessionId, prompt: scenario({ text: 'Done.' }), ...body } });
  expect(created.status).toBe(201);
  return viewOf(created.body);
};
const runsOf = async (id: string): Promise<ScheduleRunView[]> =>
  scheduleRunsSchema.parse((await ask('GET', `${SCHEDULES}/${id}/runs`)).body).runs;
const untilRun = async (id: string, count = 1) => {
  await waitUntil('it ran', async () => {
    const runs = await runsOf(id);
    return runs.length >= count && runs.every(({ state }) => state !== 'due');
  });
  return runsOf(id);
};
const promptOf = async ({ sessionId: of, promptId }: ScheduleRunView): Promise<PromptView> =>
  promptViewSchema.parse((await ask('GET', `/api/sessions/${of}/prompts/${promptId}`)).body);

describe('a schedule', () => {
  test('of one time sends its prompt to its session then, once, and says so', async () => {
    const at = soon(2000);
    const schedule = await add({ name: 'Once', at });
    expect(schedule).toMatchObject({ name: 'Once', sessionId, at, nextAt: at, enabled: true, missed: 'skip' });
    const [run, ...more] = await untilRun(schedule.id);
    expect(more).toEqual([]);
    expect(run).toMatchObject({ state: 'sent', dueAt: at, sessionId });
    expect(Date.parse(run?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(at));
    const prompt = await promptOf(run as ScheduleRunView);
    expect(prompt).toMatchObject({ prompt: schedule.prompt, deviceId: schedule.id, sessionId });
    const shown = viewOf((await ask('GET', `${SCHEDULES}/${schedule.id}`)).body);
    expect(shown).toMatchObject({ lastRun: { state: 'sent' } });
    expect(shown).not.toHaveProperty('nextAt');
  });

  test('of a directory starts the session of the directory', async () => {
    const workingDirectory = world.daemon.project();
    const schedule = await add({ sessionId: undefined, workingDirectory, cron: '@yearly' });
    expect(schedule).toMatchObject({ workingDirectory });
    await ask('POST', `${SCHEDULES}/${schedule.id}/run`, { body: {} });
    const [run] = await untilRun(schedule.id);
    const session = await ask('GET', `/api/sessions/${run?.sessionId}`);
    expect(session).toMatchObject({ status: 200, body: { workingDirectory } });
  });

  test('of a cron expression has the next time that it comes true in its zone, and runs when a person asks', async () => {
    const schedule = await add({ cron: '30 9 1 1 *', timeZone: 'Asia/Kolkata' });
    expect(schedule.nextAt).toMatch(/-01-01T04:00:00.000Z$/);
    const asked = await ask('POST', `${SCHEDULES}/${schedule.id}/run`, { body: {} });
    expect(asked).toMatchObject({ status: 202, body: { manual: true, scheduleId: schedule.id } });
    scheduleRunSchema.strict().parse(asked.body);
    await ask('POST', `${SCHEDULES}/${schedule.id}/run`, { body: {} });
    const runs = await untilRun(schedule.id, 2);
    expect(runs.map(({ state, manual }) => ({ state, manual }))).toEqual(
      Array(2).fill({ state: 'sent', manual: true }),
    );
    expect(runs[0]?.promptId).not.toBe(runs[1]?.promptId);
    expect(viewOf((await ask('GET', `${SCHEDULES}/${schedule.id}`)).body).nextAt).toBe(schedule.nextAt);
  });

  test('without a zone keeps that of the machine', async () => {
    const { timeZone } = await add({ cron: '@daily' });
    expect(timeZone).toBe(new Intl.DateTimeFormat().resolvedOptions().timeZone);
  });

  test('is changed, paused, and deleted with its history', async () => {
    const { id } = await add({ cron: '0 9 * * *', timeZone: 'UTC' });
    const change = async (body: object) => viewOf((await ask('PATCH', `${SCHEDULES}/${id}`, { body })).body);
    expect(await change({ enabled: false })).not.toHaveProperty('nextAt');
    expect((await change({ enabled: true })).nextAt).toMatch(/T09:00:00.000Z$/);
    expect((await change({ timeZone: 'Asia/Tokyo' })).nextAt).toMatch(/T00:00:00.000Z$/);
    const at = soon(3_600_000);
    expect(await change({ at })).toMatchObject({ at, nextAt: at });
    expect(await change({ at })).not.toHaveProperty('cron');
    expect(await change({ cron: '15 10 * * *', timeZone: 'UTC', prompt: 'Other.', missed: 'once' })).toMatchObject({
      prompt: 'Other.',
      missed: 'once',
      nextAt: expect.stringMatching(/T10:15:00.000Z$/),
    });
    expect(await ask('DELETE', `${SCHEDULES}/${id}`)).toMatchObject({ status: 200, body: { success: true, id } });
    for (const path of ['', '/runs']) expect((await ask('GET', `${SCHEDULES}/${id}${path}`)).status).toBe(404);
  });

  test('is changed by its version', async () => {
    const { id } = await add({ cron: '0 9 * * *' });
    const { headers } = await ask('GET', `${SCHEDULES}/${id}`);
    const match = { 'if-match': headers.get('etag') ?? '' };
    const body = { name: 'First' };
    expect((await ask('PATCH', `${SCHEDULES}/${id}`, { body, headers: match })).status).toBe(200);
    expect((await ask('PATCH', `${SCHEDULES}/${id}`, { body: { name: 'Late' }, headers: match })).status).toBe(412);
    expect((await ask('DELETE', `${SCHEDULES}/${id}`, { headers: match })).status).toBe(412);
    expect(viewOf((await ask('GET', `${SCHEDULES}/${id}`)).body).name).toBe('First');
  });

  test('of a session that is gone says why it failed', async () => {
    const other = await ask('POST', '/api/sessions', { body: { workingDirectory: world.daemon.project() } });
    const { id } = await add({ sessionId: other.body.id, cron: '@yearly' });
    await ask('DELETE', `/api/sessions/${String(other.body.id)}?purge=true`);
    await waitUntil(
      'it is gone',
      async () => (await ask('GET', `/api/sessions/${String(other.body.id)}`)).status === 404,
    );
    await ask('POST', `${SCHEDULES}/${id}/run`, { body: {} });
    expect(await untilRun(id)).toMatchObject([{ state: 'failed', error: { code: 'SESSION_NOT_FOUND' } }]);
  });

  test('is listed newest first, by offset and by cursor', async () => {
    const added = [await add({ cron: '@daily' }), await add({ cron: '@daily' }), await add({ cron: '@daily' })];
    const list = async (query: string) => schedulesSchema.parse((await ask('GET', `${SCHEDULES}?${query}`)).body);
    const whole = await list('limit=200');
    const ids = whole.schedules.map(({ id }) => id);
    for (const { id } of added) expect(ids).toContain(id);
    const times = whole.schedules.map(({ createdAt }) => createdAt);
    expect(times).toEqual([...times].sort().reverse());
    const first = await list('limit=2');
    const second = await list(`limit=200&cursor=${first.nextCursor}`);
    expect([...first.schedules, ...second.schedules].map(({ id }) => id)).toEqual(ids);
  });
});

describe('bad input', () => {
  const PROMPT = 'Say hello.';
  const daily = { cron: '@daily', prompt: PROMPT };
  test.each<[string, string, () => object]>([
    ['no time', 'at', () => ({ sessionId, prompt: PROMPT })],
    ['two times', 'at', () => ({ sessionId, prompt: PROMPT, at: soon(60_000), cron: '@daily' })],
    ['a time that is past', 'at', () => ({ sessionId, prompt: PROMPT, at: soon(-1000) })],
    ['a time without a zone', 'at', () => ({ sessionId, prompt: PROMPT, at: '2099-01-01T00:00:00' })],
    ['a zone beside a time', 'timeZone', () => ({ sessionId, prompt: PROMPT, at: soon(60_000), timeZone: 'UTC' })],
    ['an expression that never comes', 'cron', () => ({ sessionId, prompt: PROMPT, cron: '0 0 30 2 *' })],
    ['an expression of seconds', 'cron', () => ({ sessionId, prompt: PROMPT, cron: '* * * * * *' })],
    ['an expression that is none', 'cron', () => ({ sessionId, prompt: PROMPT, cron: '61 * * * *' })],
    ['a date as expression', 'cron', () => ({ sessionId, prompt: PROMPT, cron: '2099-01-01T00:00:00' })],
    ['an empty expression', 'cron', () => ({ sessionId, prompt: PROMPT, cron: '' })],
    ['a zone that is none', 'timeZone', () => ({ sessionId, ...daily, timeZone: 'Mars/Olympus' })],
    ['an offset as zone', 'timeZone', () => ({ sessionId, ...daily, timeZone: '' })],
    ['no prompt', 'prompt', () => ({ sessionId, cron: '@daily' })],
    ['a blank prompt', 'prompt', () => ({ sessionId, cron: '@daily', prompt: ' \n' })],
    ['no place', 'sessionId', () => daily],
    ['two places', 'sessionId', () => ({ ...daily, sessionId, workingDirectory: directory })],
    ['another word for missed', 'missed', () => ({ ...daily, sessionId, missed: 'always' })],
  ])('O1: with %s is refused by %s, and nothing changes', async (_what, field, body) => {
    const before = (await ask('GET', SCHEDULES)).body.total;
    expect(await ask('POST', SCHEDULES, { body: body() })).toMatchObject({
      status: 400,
      body: { error: { code: 'INVALID_REQUEST', details: { field, rule: expect.stringMatching(/./) } } },
    });
    expect((await ask('GET', SCHEDULES)).body.total).toBe(before);
  });

  test('S2, O1: a session of nobody and a directory outside are refused', async () => {
    const post = (body: object) => ask('POST', SCHEDULES, { body: { ...daily, ...body } });
    expect(await post({ sessionId: 'nothing' })).toMatchObject({
      status: 404,
      body: { error: { code: 'SESSION_NOT_FOUND' } },
    });
    expect(await post({ workingDirectory: '/etc' })).toMatchObject({
      status: 403,
      body: { error: { details: { field: 'workingDirectory' } } },
    });
  });

  test('S1: a device needs prompt, and approve for a command that needs it', async () => {
    const { headers: reader } = bearerOf(
      (await pairDevice(world.daemon, { deviceId: 'reader', scopes: ['read'] })).accessToken,
    );
    const { headers: writer } = bearerOf(
      (await pairDevice(world.daemon, { deviceId: 'writer', scopes: ['read', 'prompt'] })).accessToken,
    );
    const post = (headers: Record<string, string>, body: object) =>
      ask('POST', SCHEDULES, { headers, body: { sessionId, ...daily, ...body } });
    expect((await post(reader, {})).status).toBe(403);
    const made = await post(writer, {});
    expect(made).toMatchObject({ status: 201, body: { createdBy: 'writer' } });
    expect(await post(writer, { prompt: '/permissions' })).toMatchObject({ status: 403 });
    const path = `${SCHEDULES}/${String(made.body.id)}`;
    expect(await ask('PATCH', path, { headers: writer, body: { prompt: '/permissions' } })).toMatchObject({
      status: 403,
    });
    expect((await ask('DELETE', path, { headers: reader })).status).toBe(403);
    expect((await ask('GET', path, { headers: reader })).status).toBe(200);
  });
});
