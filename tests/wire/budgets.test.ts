/** Budgets: told when they warn and when they are used up, and holding prompts back where that was asked for. */
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';
import { runCli } from '../../cli/run-cli.js';
import { type BudgetView, budgetSchema, budgetsSchema } from '../../protocol/budgets.js';
import { usageSchema } from '../../protocol/usage.js';
import { createV1 } from '../openai/v1.js';
import { addUser, askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const open = useSharedSession(world);

/** Of each turn: 1,100 tokens count, and what is read from the cache does not. */
const usage = {
  input_tokens: 40,
  output_tokens: 60,
  cache_read_input_tokens: 70_000,
  cache_creation_input_tokens: 1000,
};
const OF_TURN = 1100;
const spending = (gate?: string) =>
  scenario({ text: 'Spent.', fields: { usage }, ...(gate !== undefined && { gate }) });

interface Refusal {
  error: { code: string; message: string; details: Record<string, unknown> };
}

async function ask<T>(method: string, path: string, { body, match }: { body?: object; match?: string } = {}) {
  const headers = { ...(body && { 'content-type': 'application/json' }), ...(match && { 'if-match': match }) };
  const response = await world.daemon.fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return { status: response.status, body: (await response.json()) as T, etag: response.headers.get('etag') ?? '' };
}

const listed = async () => budgetsSchema.parse((await ask('GET', '/api/budgets')).body).budgets;

async function add(body: object): Promise<BudgetView> {
  const added = await ask('POST', '/api/budgets', { body });
  expect(added.status).toBe(201);
  return budgetSchema.parse(added.body);
}

afterEach(async () => {
  for (const { budgetId } of await listed()) await ask('DELETE', `/api/budgets/${budgetId}`);
});

const told = (client: WireClient, budgetId: string) =>
  client.events().filter(({ type, data }) => type === 'budget' && data.budgetId === budgetId);

const ended = (client: WireClient, promptId: unknown): Promise<Frame> =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

/** A status is published after the events of its step, and so after those of a turn's end. */
async function runTurn(client: WireClient, sessionId: string): Promise<Frame> {
  const from = client.frames.length;
  const { data } = await client.request('streamSend', { sessionId, prompt: spending() });
  const end = await ended(client, data.promptId);
  const seq = Number(end.seq);
  await client.waitFor(
    (frame) => frame.type === 'sessionStatus' && Number(frame.seq) > seq && frame.data.status === 'idle',
    from,
  );
  return end;
}

describe('a budget', () => {
  test('is told of once when it warns and once when it is used up, right after the turn; without stop nothing is refused', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const budget = await add({ of: 'session', sessionId, period: 'always', tokens: 2500, warnAt: 0.4 });
    expect(budget).toMatchObject({ used: 0, remaining: 2500, state: 'ok', stop: false, person: 'owner@localhost' });
    const dollars = await add({ of: 'person', period: 'always', dollars: 1000 });
    const first = await runTurn(client, sessionId);
    const common = {
      sessionId,
      budgetId: budget.budgetId,
      of: 'session',
      period: 'always',
      unit: 'tokens',
      limit: 2500,
    };
    expect(told(client, budget.budgetId)).toMatchObject([
      { seq: Number(first.seq) + 1, data: { ...common, state: 'warning', used: OF_TURN, stops: false } },
    ]);
    await runTurn(client, sessionId);
    expect(told(client, budget.budgetId)).toHaveLength(1);
    await runTurn(client, sessionId);
    await runTurn(client, sessionId);
    const [, exceeded, ...more] = told(client, budget.budgetId);
    expect(exceeded?.data).toMatchObject({ ...common, state: 'exceeded', used: 3 * OF_TURN });
    expect(more).toEqual([]);
    expect(told(client, dollars.budgetId)).toEqual([]);

    const { rows, budgets } = usageSchema.parse((await ask('GET', '/api/usage?group=session')).body);
    const row = rows.find(({ key }) => key === sessionId);
    expect(budgets[0]).toMatchObject({ budgetId: budget.budgetId, used: 4 * OF_TURN, remaining: 0, state: 'exceeded' });
    expect((row?.input ?? 0) + (row?.output ?? 0) + (row?.cacheWrite ?? 0)).toBe(4 * OF_TURN);
    expect(budgets[1]?.used).toBeCloseTo(
      rows.reduce((sum, { cost }) => sum + cost, 0),
      10,
    );
    expect(budgets[1]?.remaining).toBeCloseTo(1000 - Number(budgets[1]?.used), 10);
  });

  test('of dollars and of each session: the session that has used most is shown; a daemon killed in the turn tells once', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const { budgetId } = await add({ of: 'session', period: 'always', dollars: 0.01, warnAt: 1 });
    const sent = await client.request('streamSend', { sessionId, prompt: spending('killed') });
    await world.api.reached('killed');
    const { epoch } = await client.waitFor('humanMessage');
    const cursors = { [sessionId]: { epoch: String(epoch), seq: 0 } };
    await world.daemon.restart('SIGKILL');
    const back = await world.connect();
    await back.request('subscribe', { events: ['*'], cursors });
    world.api.release('killed');
    await ended(back, sent.data.promptId);
    await world.daemon.restart('SIGKILL');
    const again = await world.connect();
    await again.request('subscribe', { events: ['*'], cursors });
    await runTurn(again, sessionId);
    expect(told(again, budgetId).map(({ data }) => data.state)).toEqual(['exceeded']);
    expect(told(again, budgetId)[0]?.data).toMatchObject({ unit: 'dollars', limit: 0.01, of: 'session' });
    const [shown] = await listed();
    expect(shown).toMatchObject({ usedBy: sessionId, state: 'exceeded', remaining: 0 });
    expect(shown?.used).toBeGreaterThan(Number(told(again, budgetId)[0]?.data.used));
  });
});

test('a chat and a question outside any session count for their person, across a killed daemon', async () => {
  await add({ of: 'person', period: 'always', tokens: 1_000_000 });
  const before = (await listed())[0]?.used ?? 0;
  const chat = { model: 'default', messages: [{ role: 'user', content: spending() }] };
  expect(await createV1(world)('POST', '/chat/completions', chat)).toMatchObject({ status: 200 });
  expect((await listed())[0]?.used).toBe(before + OF_TURN);
  const client = await world.connect();
  expect((await client.request('ask', { prompt: spending() })).data).toMatchObject({ success: true });
  expect((await listed())[0]?.used).toBe(before + 2 * OF_TURN);
  await world.daemon.restart('SIGKILL');
  expect((await listed())[0]?.used).toBe(before + 2 * OF_TURN);
});

test('status shows the budgets, for a person and for a program', async () => {
  const { budgetId } = await add({ of: 'person', period: 'always', dollars: 1000 });
  const printed = async (...args: string[]): Promise<string> => {
    const said: string[] = [];
    const output = { columns: 80, write: (text: string) => said.push(text) };
    const io = { stdin: Object.assign(new PassThrough(), { isTTY: false }), stdout: output, stderr: output };
    await runCli({ args, io: { ...io, onInterrupt: () => () => {} } as never, home: world.daemon.home });
    return said.join('');
  };
  expect(await printed('status')).toMatch(/^ {2}budget of all sessions: \$\d+\.\d+ of \$1000\.00 in all$/m);
  const { budgets } = JSON.parse(await printed('status', '--json')) as { budgets: BudgetView[] };
  expect(budgets).toEqual(await listed());
  expect(budgets.map((budget) => budget.budgetId)).toEqual([budgetId]);
});

describe('a budget that stops', () => {
  test('refuses prompts on every way once it is used up, until it is raised or removed', async () => {
    const client = await world.connect();
    const { sessionId, directory } = await open(client);
    await runTurn(client, sessionId);
    const { budgetId } = await add({ of: 'person', period: 'always', tokens: 1, stop: true });
    const refused = {
      code: 'CAPACITY',
      message: 'A budget is used up: 1 tokens for all sessions.',
      details: {
        field: 'prompt',
        rule: 'must fit into the budget of 1 tokens for all sessions',
        suggestion: `Raise or remove the budget ${budgetId}.`,
      },
    };
    const before = (await ask<{ total: number }>('GET', '/api/sessions')).body.total;
    const prompt = spending();
    for (const frame of [
      await client.request('streamSend', { sessionId, prompt }),
      await client.request('streamSend', { sessionId, prompt, mode: 'steer' }),
      await client.request('streamStart', { workingDirectory: directory, prompt }),
      await client.request('streamStart', { workingDirectory: world.daemon.project(), prompt }),
      await client.request('ask', { prompt }),
    ]) {
      expect(frame).toMatchObject({ type: 'error', data: refused });
    }
    const sent = await ask<Refusal>('POST', `/api/sessions/${sessionId}/prompts`, { body: { prompt } });
    expect(sent).toMatchObject({ status: 503, body: { error: refused } });
    const v1 = createV1(world);
    const chat = { model: 'default', messages: [{ role: 'user', content: prompt }] };
    for (const body of [chat, { ...chat, session_id: sessionId }]) {
      expect(await v1('POST', '/chat/completions', body)).toMatchObject({ status: 503, body: { error: refused } });
    }
    const response = { model: 'default', input: prompt };
    expect(await v1('POST', '/responses', response)).toMatchObject({ status: 503, body: { error: refused } });
    expect((await ask<{ total: number }>('GET', '/api/sessions')).body.total).toBe(before);

    const { etag } = await ask('GET', `/api/budgets/${budgetId}`);
    const raised = { tokens: 1_000_000 };
    expect(await ask('PATCH', `/api/budgets/${budgetId}`, { body: raised, match: '"other"' })).toMatchObject({
      status: 412,
    });
    const changed = await ask<BudgetView>('PATCH', `/api/budgets/${budgetId}`, { body: raised, match: etag });
    expect(changed).toMatchObject({ status: 200, body: { tokens: 1_000_000, stop: true, state: 'ok' } });
    expect(await ask('DELETE', `/api/budgets/${budgetId}`, { match: etag })).toMatchObject({ status: 412 });
    expect((await runTurn(client, sessionId)).data.subtype).toBe('success');
    expect(told(client, budgetId)).toEqual([]);
  });

  test('lets the running turn end, holds what waits, and lets it go on only when asked', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const { budgetId } = await add({ of: 'session', sessionId, period: 'always', tokens: 1_000_000, stop: true });
    const { used } = (await listed())[0] ?? { used: 0 };
    await ask('PATCH', `/api/budgets/${budgetId}`, { body: { tokens: used + 1 } });
    const running = await client.request('streamSend', { sessionId, prompt: spending('held') });
    await world.api.reached('held');
    const waiting = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Waited.' }) });
    const from = client.frames.length;
    world.api.release('held');
    const end = await ended(client, running.data.promptId);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Spent.' });
    const held = await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.queueHeld === true, from);
    expect(held.data).toMatchObject({ status: 'idle', queueDepth: 1 });
    const [exceeded] = told(client, budgetId);
    expect(exceeded).toMatchObject({ seq: Number(end.seq) + 1, data: { state: 'exceeded', stops: true } });
    const refused = await client.request('continueQueue', { sessionId });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'CAPACITY', details: { field: 'prompt' } } });
    expect(refused.data.details).not.toHaveProperty('retryAfterMs');
    await ask('PATCH', `/api/budgets/${budgetId}`, { body: { stop: false } });
    expect((await client.request('continueQueue', { sessionId })).data).toMatchObject({ sessionId, queueDepth: 1 });
    expect((await ended(client, waiting.data.promptId)).data.finalResult).toBe('Waited.');
  });
});

describe('the resource', () => {
  const good = { of: 'person', period: 'week', tokens: 1000 };

  test.each([
    [{ ...good, of: 'team' }, 'of'],
    [{ ...good, period: 'month' }, 'period'],
    [{ of: 'person', period: 'day' }, 'tokens'],
    [{ ...good, dollars: 1 }, 'dollars'],
    [{ ...good, tokens: 0 }, 'tokens'],
    [{ ...good, tokens: 1.5 }, 'tokens'],
    [{ of: 'person', period: 'day', dollars: 0.001 }, 'dollars'],
    [{ ...good, warnAt: 1.01 }, 'warnAt'],
    [{ ...good, stop: 'yes' }, 'stop'],
    [{ ...good, sessionId: 'some' }, 'sessionId'],
    [{ ...good, of: 'session', sessionId: 'nowhere' }, 'sessionId'],
    [{ ...good, limit: 1 }, 'limit'],
  ])('%j is refused with the field, and nothing is made', async (body, field) => {
    const { status, body: answer } = await ask<Refusal>('POST', '/api/budgets', { body });
    expect([status, answer.error.details.field]).toEqual([
      field === 'sessionId' && body.of === 'session' ? 404 : 400,
      field,
    ]);
    expect(await listed()).toEqual([]);
  });

  test('an empty change, an unknown budget and a 21st one are refused', async () => {
    const { budgetId } = await add(good);
    expect(await ask('PATCH', `/api/budgets/${budgetId}`, { body: {} })).toMatchObject({ status: 400 });
    const both = await ask<Refusal>('PATCH', `/api/budgets/${budgetId}`, { body: { tokens: 1, dollars: 1 } });
    expect(both.body.error.details.field).toBe('dollars');
    for (const method of ['GET', 'DELETE']) {
      expect((await ask<Refusal>(method, '/api/budgets/none')).body.error.details.field).toBe('budgetId');
    }
    for (let count = 1; count < 20; count += 1) await add(good);
    expect(await ask('POST', '/api/budgets', { body: good })).toMatchObject({ status: 409 });
    const changed = await ask<BudgetView>('PATCH', `/api/budgets/${budgetId}`, { body: { dollars: 5 } });
    expect(changed.body).toMatchObject({ dollars: 5, warnAt: 0.8 });
    expect(changed.body).not.toHaveProperty('tokens');
  });

  test('one that was made for another person needs admin, and ends with them', async () => {
    await addUser(world.daemon, 'ann@example.org');
    const ann = await pairDevice(world.daemon, { user: 'ann@example.org', scopes: ['read', 'prompt', 'approve'] });
    const asAnn = (method: string, path: string, body?: object) =>
      askOver<Refusal & BudgetView & { budgets: BudgetView[] }>(world.daemon, method, path, {
        token: ann.accessToken,
        ...(body && { body }),
      });
    const made = await add({ ...good, person: 'ann@example.org', stop: true });
    expect(made.person).toBe('ann@example.org');
    expect(await listed()).toEqual([]);
    const theirs = await ask<{ budgets: BudgetView[] }>('GET', '/api/budgets?person=ann%40example.org');
    expect(theirs.body.budgets).toMatchObject([{ budgetId: made.budgetId }]);
    expect((await asAnn('GET', '/api/budgets')).body.budgets).toMatchObject([{ budgetId: made.budgetId, stop: true }]);
    for (const [method, body] of [
      ['PATCH', { tokens: 9 }],
      ['DELETE', undefined],
    ] as const) {
      const refused = await asAnn(method, `/api/budgets/${made.budgetId}`, body);
      expect([refused.status, refused.body.error.details.field]).toEqual([403, 'budgetId']);
    }
    expect((await asAnn('GET', '/api/budgets?person=owner%40localhost')).status).toBe(403);
    expect((await asAnn('POST', '/api/budgets', { ...good, person: 'owner@localhost' })).status).toBe(403);
    const own = await asAnn('POST', '/api/budgets', { ...good, person: 'ann@example.org' });
    expect(own.status).toBe(201);
    expect((await asAnn('DELETE', `/api/budgets/${own.body.budgetId}`)).status).toBe(200);
    const removed = await ask('DELETE', `/api/budgets/${made.budgetId}`);
    expect(removed).toMatchObject({ status: 200, body: { success: true, budgetId: made.budgetId } });
  });
});
