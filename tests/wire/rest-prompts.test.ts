/** Prompts over REST: sent, waited for, listed, shown. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  openPermissionsSchema,
  type PromptPage,
  type PromptView,
  promptPageSchema,
  promptViewSchema,
} from '../../protocol/prompts.js';
import { bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-prompts-'));
const KILL_POINT_FILE = join(folder, 'point');
const preload = join(import.meta.dirname, '../support/kill-answers.mjs');
const world = useWorld({ environment: { NODE_OPTIONS: `--import ${preload}`, KILL_POINT_FILE } });
afterAll(() => rmSync(folder, { recursive: true }));

interface Asking {
  body?: unknown;
  key?: string;
  token?: string;
}

async function ask(method: string, path: string, { body, key, token }: Asking = {}) {
  const response = await world.daemon.fetch(path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  });
  const replayed = response.headers.get('idempotent-replayed') === 'true';
  const location = response.headers.get('location');
  return { status: response.status, replayed, location, body: (await response.json()) as Record<string, unknown> };
}

let path = '';
let directory = '';
beforeAll(async () => {
  directory = world.daemon.project();
  const { body } = await ask('POST', '/api/sessions', { body: { workingDirectory: directory } });
  path = `/api/sessions/${String(body.id)}`;
});

const viewOf = (body: unknown): PromptView => promptViewSchema.strict().parse(body);
const show = async (id: string) => viewOf((await ask('GET', `${path}/prompts/${id}`)).body);
const list = async (query = ''): Promise<PromptPage> =>
  promptPageSchema.strict().parse((await ask('GET', `${path}/prompts${query}`)).body);
const send = (prompt: string, { query = '', ...rest }: Asking & { query?: string } = {}) =>
  ask('POST', `${path}/prompts${query}`, { body: { prompt }, ...rest });
const isOver = ({ status }: PromptView) => status !== 'queued' && status !== 'processing';
const untilOver = (id: string) => waitUntil('it has ended', async () => isOver(await show(id)));

let marks = 0;
const marked = (...steps: Parameters<typeof scenario>) => {
  marks += 1;
  const mark = `mark-${marks}-`;
  return { mark, prompt: `${mark} ${scenario(...steps)}` };
};

async function afterDeath(pid: number): Promise<void> {
  await world.daemon.until(() => !isAlive(pid));
  await world.daemon.restart('SIGKILL');
}

describe('a prompt', () => {
  test('is accepted with 202 and a place, runs, and is then shown with what it said, did and cost', async () => {
    const prompt = scenario(
      { text: 'I look.', tools: [{ name: 'Bash', input: { command: 'echo found', description: 'x' } }] },
      { text: 'All done.' },
    );
    const { status, body, location } = await ask('POST', `${path}/prompts`, { body: { prompt } });
    expect(status).toBe(202);
    const sent = viewOf(body);
    expect(sent).toMatchObject({ id: sent.promptId, sessionId: path.split('/').at(-1), mode: 'queue' });
    expect(['queued', 'processing']).toContain(sent.status);
    expect(location).toBe(`${path}/prompts/${sent.id}`);
    await untilOver(sent.id);
    const shown = await show(sent.id);
    expect(shown).toMatchObject({ prompt, status: 'completed', response: 'All done.', subtype: 'success' });
    expect(shown.cost).toBeGreaterThan(0);
    expect(shown.metadata).toMatchObject({ duration: shown.duration, toolCallCount: 1 });
    expect(shown.metadata.tokenCount).toBeGreaterThan(0);
    expect(shown.metadata.toolCalls).toMatchObject([
      { tool: 'Bash', params: { command: 'echo found' }, result: expect.stringContaining('found'), success: true },
    ]);
    expect(Date.parse(shown.completedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(shown.createdAt));
  });

  test('with wait=true is answered when its turn has ended, or with 202 after the timeout', async () => {
    const waited = await send(scenario({ text: 'Waited for.' }), { query: '?wait=true' });
    expect(waited).toMatchObject({ status: 200, body: { status: 'completed', response: 'Waited for.' } });
    const slow = await send(scenario({ text: 'Slow.', gate: 'slow' }), { query: '?wait=true&timeout=50' });
    expect(slow).toMatchObject({ status: 202, body: { status: 'processing' } });
    const queued = await send(scenario({ text: 'Next.' }));
    expect(queued).toMatchObject({ status: 202, body: { status: 'queued', position: 1 } });
    world.api.release('slow');
    await untilOver(String(queued.body.id));
    expect(await show(String(slow.body.id))).toMatchObject({ status: 'completed', response: 'Slow.' });
  });

  test('that fails, and one that is cancelled, say so', async () => {
    const failed = await send(scenario({ error: { status: 400, type: 'invalid_request_error' } }), {
      query: '?wait=true',
    });
    expect(failed).toMatchObject({ status: 200, body: { status: 'failed', error: expect.stringMatching(/./) } });
    const running = await send(scenario({ text: 'Never.', gate: 'never' }));
    const waiting = await send(scenario({ text: 'Nor this.' }));
    await world.api.reached('never');
    for (const { body } of [waiting, running]) await ask('DELETE', `${path}/prompts/${String(body.id)}`);
    world.api.release('never');
    for (const { body } of [waiting, running]) {
      await untilOver(String(body.id));
      expect(await show(String(body.id))).toMatchObject({ status: 'cancelled', error: expect.stringMatching(/./) });
    }
  });

  test('that asks is answered by what is listed as open', async () => {
    const prompt = scenario(
      { tools: [{ name: 'Bash', input: { command: `touch ${join(directory, 'asked')}`, description: 'x' } }] },
      { text: 'Asked.' },
    );
    const { body } = await send(prompt);
    const open = async () =>
      openPermissionsSchema.strict().parse((await ask('GET', `${path}/permissions`)).body).permissions;
    await waitUntil('it asks', async () => (await open()).length === 1);
    const [asked] = await open();
    expect(asked).toMatchObject({ kind: 'tool', toolName: 'Bash', options: expect.arrayContaining(['allow', 'deny']) });
    const answer = { response: 'allow', remember: false };
    expect((await ask('POST', `${path}/permissions/${asked?.permissionId}`, { body: answer })).status).toBe(200);
    await untilOver(String(body.id));
    expect(await open()).toEqual([]);
    expect(await show(String(body.id))).toMatchObject({ status: 'completed', response: 'Asked.' });
  });
});

describe('the list of prompts', () => {
  test('is newest first, by offset and by cursor in the same order, also while prompts are added', async () => {
    for (const text of ['a', 'b', 'c', 'd', 'e']) await send(scenario({ text }), { query: '?wait=true' });
    const { prompts, total, limit, offset } = await list();
    expect({ limit, offset }).toEqual({ limit: 50, offset: 0 });
    expect(prompts).toHaveLength(total);
    const ids = prompts.map(({ id }) => id);
    expect([...prompts].sort((x, y) => y.createdAt.localeCompare(x.createdAt)).map(({ id }) => id)).toEqual(ids);
    const byOffset: string[] = [];
    for (let at = 0; at < total; at += 2) {
      const page = await list(`?limit=2&offset=${at}`);
      expect(page).toMatchObject({ total, hasMore: at + 2 < total });
      byOffset.push(...page.prompts.map(({ id }) => id));
    }
    const first = await list('?limit=2');
    await send(scenario({ text: 'Later.' }), { query: '?wait=true' });
    const byCursor = first.prompts.map(({ id }) => id);
    for (let cursor = first.nextCursor; cursor !== undefined; ) {
      const page: PromptPage = await list(`?limit=2&cursor=${cursor}`);
      expect(page).not.toHaveProperty('offset');
      byCursor.push(...page.prompts.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect([byOffset, byCursor]).toEqual([ids, ids]);
    const completed = await list('?status=completed&limit=200');
    expect(completed.total).toBeLessThan(total + 1);
    for (const { status } of completed.prompts) expect(status).toBe('completed');
    // The turns' details are of a single one.
    for (const { metadata } of prompts) expect(metadata).not.toHaveProperty('toolCalls');
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=x', 'limit'],
    ['offset=-1', 'offset'],
    ['cursor=', 'cursor'],
    ['cursor=nonsense', 'cursor'],
    [`cursor=${Buffer.from('another-epoch 1').toString('base64url')}`, 'cursor'],
    ['cursor=x&offset=0', 'cursor'],
    ['status=done', 'status'],
  ])('O1: with %s is refused by that field', async (query, field) => {
    expect(await ask('GET', `${path}/prompts?${query}`)).toMatchObject({
      status: 400,
      body: { error: { code: 'INVALID_REQUEST', details: { field } } },
    });
  });
});

describe('bad input', () => {
  test.each<[string, string, unknown, number]>([
    ['nothing', 'prompt', {}, 400],
    ['a blank prompt', 'prompt', { prompt: ' \n' }, 400],
    ['a number', 'prompt', { prompt: 7 }, 400],
    ['more than 1 MiB', 'prompt', { prompt: 'x'.repeat(1024 * 1024 + 1) }, 413],
    ['an unknown mode', 'mode', { prompt: 'x', mode: 'now' }, 400],
    [
      'an attachment of an unknown kind',
      'attachments.0.mediaType',
      { prompt: 'x', attachments: [{ mediaType: 'x', data: '' }] },
      400,
    ],
  ])('O1: %s is refused by its field, and nothing runs', async (_what, field, body, status) => {
    const { total } = await list();
    const refused = await ask('POST', `${path}/prompts`, { body });
    expect(refused).toMatchObject({ status, body: { error: { details: { field } } } });
    expect((await list()).total).toBe(total);
  });

  test.each([
    ['wait=yes', 'wait'],
    ['wait=true&timeout=-1', 'timeout'],
    ['wait=true&timeout=3600001', 'timeout'],
    ['timeout=soon', 'timeout'],
  ])('O1: %s is refused by that field, and nothing runs', async (query, field) => {
    const { total } = await list();
    const refused = await send(scenario({ text: 'Not run.' }), { query: `?${query}` });
    expect(refused).toMatchObject({ status: 400, body: { error: { details: { field } } } });
    expect((await list()).total).toBe(total);
  });

  test('a prompt that is not there, or of another session, is not shown', async () => {
    const other = await ask('POST', '/api/sessions', { body: { workingDirectory: world.daemon.project() } });
    const [one] = (await list('?limit=1')).prompts;
    expect(await ask('GET', `${path}/prompts/none`)).toMatchObject({ status: 404 });
    expect(await ask('GET', `/api/sessions/${String(other.body.id)}/prompts/${one?.id}`)).toMatchObject({
      status: 400,
      body: { error: { details: { field: 'promptId', rule: 'must be a prompt of the session' } } },
    });
    await ask('DELETE', `/api/sessions/${String(other.body.id)}`);
    const closed = await ask('POST', `/api/sessions/${String(other.body.id)}/prompts`, { body: { prompt: 'x' } });
    expect(closed).toMatchObject({ status: 409, body: { error: { code: 'CONFLICT' } } });
  });

  test('S1: a command of the CLI needs the scope of that command', async () => {
    const { accessToken: token } = await pairDevice(world.daemon, { scopes: ['read', 'prompt'] });
    expect(await send('/config model=x', { token })).toMatchObject({ status: 403 });
    expect(await send(scenario({ text: 'Allowed.' }), { token, query: '?wait=true' })).toMatchObject({ status: 200 });
  });
});

describe('allowedTools of a prompt', () => {
  const bash = (command: string) => ({ tools: [{ name: 'Bash', input: { command, description: 'x' } }] });
  const touched = (name: string) => existsSync(join(directory, name));
  const touch = (name: string) => bash(`touch ${join(directory, name)}`);
  const isAsked = async () =>
    ((await ask('GET', `${path}/permissions`)).body as { permissions: { permissionId: string }[] }).permissions[0];
  const deny = async (permissionId = '') =>
    ask('POST', `${path}/permissions/${permissionId}`, { body: { response: 'deny', remember: false } });

  /** That the next turn asks, and a prompt of its own. */
  async function expectAsked(name: string): Promise<void> {
    const { body } = await send(scenario(touch(name), { text: 'Denied.' }));
    await waitUntil('it asks', async () => (await isAsked()) !== undefined);
    await deny((await isAsked())?.permissionId);
    await untilOver(String(body.id));
    expect(touched(name)).toBe(false);
  }

  test('need no question in its turn, and are asked for again in the next', async () => {
    await expectAsked('before');
    const body = { prompt: scenario(touch('allowed'), { text: 'Allowed.' }), allowedTools: ['Bash(touch *)'] };
    const sent = await ask('POST', `${path}/prompts?wait=true`, { body });
    expect(sent).toMatchObject({
      status: 200,
      body: { response: 'Allowed.', metadata: { allowedTools: ['Bash(touch *)'], toolCalls: [{ success: true }] } },
    });
    expect(touched('allowed')).toBe(true);
    await expectAsked('after');
  });

  test('S1: are allowed by who may approve, and only as they are written', async () => {
    const { accessToken: token } = await pairDevice(world.daemon, { scopes: ['read', 'prompt'] });
    const { total } = await list();
    const body = { prompt: scenario(touch('refused'), { text: 'x' }), allowedTools: ['Bash(touch *)'] };
    expect(await ask('POST', `${path}/prompts`, { body, token })).toMatchObject({
      status: 403,
      body: { error: { code: 'PERMISSION_DENIED' } },
    });
    for (const allowedTools of ['Bash', [7], ['--x'], ['Bash\u0000']]) {
      expect(await ask('POST', `${path}/prompts`, { body: { prompt: 'x', allowedTools } })).toMatchObject({
        status: 400,
        body: { error: { details: { field: expect.stringMatching(/^allowedTools/) } } },
      });
    }
    expect((await list()).total).toBe(total);
  });

  test('S1: outlive the daemon as long as the turn, and no longer', async () => {
    const prompt = scenario({ text: 'I wait.', gate: 'killed', ...touch('later') }, { text: 'Went on.' });
    const body = { prompt, allowedTools: ['Bash(touch *)'] };
    const sent = await ask('POST', `${path}/prompts`, { body });
    await world.api.reached('killed');
    await world.daemon.restart('SIGKILL');
    world.api.release('killed');
    await untilOver(String(sent.body.id));
    expect(await show(String(sent.body.id))).toMatchObject({ status: 'completed', response: 'Went on.' });
    expect(touched('later')).toBe(true);
    await expectAsked('after-death');
  });
});

describe('the context of a session', () => {
  const systemOf = (mark: string) =>
    JSON.stringify(world.api.requests.find((request) => JSON.stringify(request.messages).includes(mark))?.system);
  const opened = async (body: object) => {
    const made = await ask('POST', '/api/sessions', { body: { workingDirectory: world.daemon.project(), ...body } });
    return `/api/sessions/${String(made.body.id)}`;
  };
  const run = async (at: string) => {
    const { mark, prompt } = marked({ text: 'Yes.' });
    expect(await ask('POST', `${at}/prompts?wait=true`, { body: { prompt } })).toMatchObject({ status: 200 });
    return systemOf(mark);
  };

  test('is appended to the system prompt, and after a change the next prompt has the new one', async () => {
    const at = await opened({ context: 'Speak of tulips.' });
    expect(await run(at)).toContain('Speak of tulips.');
    expect(await ask('PATCH', at, { body: { system_prompt: 'Speak of roses.' } })).toMatchObject({
      status: 200,
      body: { context: 'Speak of roses.' },
    });
    const system = await run(at);
    expect(system).toContain('Speak of roses.');
    expect(system).not.toContain('tulips');
    await ask('PATCH', at, { body: { context: '' } });
    expect(await run(at)).not.toContain('Speak of');
  });

  test('that is given by the name system_prompt is the same, and a child keeps it when the daemon is killed', async () => {
    const at = await opened({ system_prompt: 'Speak of lilies.' });
    expect(await run(at)).toContain('Speak of lilies.');
    const { body } = await ask('GET', at);
    await world.daemon.restart('SIGKILL');
    expect(await run(at)).toContain('Speak of lilies.');
    expect((await ask('GET', at)).body.pid).toBe(body.pid);
  });

  test('changed while a turn runs, it waits for its end, and the prompts behind have it', async () => {
    const at = await opened({});
    const running = await ask('POST', `${at}/prompts`, { body: { prompt: scenario({ text: 'Busy.', gate: 'busy' }) } });
    await world.api.reached('busy');
    await ask('PATCH', at, { body: { context: 'Speak of oaks.' } });
    const behind = run(at);
    world.api.release('busy');
    expect(await behind).toContain('Speak of oaks.');
    const shown = await ask('GET', `${at}/prompts/${String(running.body.id)}`);
    expect(shown.body).toMatchObject({ status: 'completed', response: 'Busy.' });
  });
});

describe('a prompt with a key', () => {
  test('I1: of 20 at once it runs once, and all get its answer', async () => {
    const { mark, prompt } = marked({ text: 'Once.' });
    const all = await Promise.all(
      Array.from({ length: 20 }, () => send(prompt, { key: 'twenty', query: '?wait=true' })),
    );
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    for (const { body } of all) expect(body).toEqual(all[0]?.body);
    expect(all[0]).toMatchObject({ status: 200, body: { response: 'Once.' } });
    expect(world.api.runs(mark)).toBe(1);
    expect(await send(`${prompt} more`, { key: 'twenty', query: '?wait=true' })).toMatchObject({
      status: 409,
      body: { error: { code: 'CONFLICT', details: { field: 'Idempotency-Key' } } },
    });
  });

  test.each(['before-keeping', 'before-answering'])(
    'I1: killed %s its answer, and sent again, it is the same prompt, and runs once',
    async (point) => {
      const { mark, prompt } = marked({ text: 'Survived.' });
      const { pid } = world.daemon;
      const { total } = await list();
      writeFileSync(KILL_POINT_FILE, point);
      await expect(send(prompt, { key: point })).rejects.toThrow();
      await afterDeath(pid);
      const again = await send(prompt, { key: point });
      expect(again).toMatchObject({ status: 202, replayed: true });
      await untilOver(String(again.body.id));
      expect(await show(String(again.body.id))).toMatchObject({ status: 'completed', response: 'Survived.' });
      expect(world.api.runs(mark)).toBe(1);
      expect((await list()).total).toBe(total + 1);
    },
  );

  test('I1: it is the request id of the device: what its socket has sent is not sent again', async () => {
    const grant = await pairDevice(world.daemon);
    const client = await world.connect(bearerOf(grant.accessToken));
    const { mark, prompt } = marked({ text: 'By socket.' });
    const sessionId = path.split('/').at(-1) ?? '';
    const { data } = await client.request('streamSend', { sessionId: sessionId as never, prompt }, 'socket-id');
    const same = await send(prompt, { key: 'socket-id', token: grant.accessToken });
    expect(same).toMatchObject({ status: 202, replayed: true, body: { id: data.promptId } });
    const other = await send(`${prompt} other`, { key: 'socket-id', token: grant.accessToken });
    expect(other).toMatchObject({ status: 409 });
    await untilOver(data.promptId);
    expect(world.api.runs(mark)).toBe(1);
  });
});
