/** What holds for every request over HTTP, whatever it asks for. */
import { request } from 'node:http';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ROUTES } from '../../protocol/commands/rest.js';
import type { SessionView } from '../../protocol/rest.js';
import { askLocally, pairDevice } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

/** No session here has a turn. */
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

let path = '';
const ask = (at: string, method = 'GET', headers: Record<string, string> = {}, body?: string) =>
  world.daemon.fetch(at, { method, headers, ...(body !== undefined && { body }) });
const json = { 'content-type': 'application/json' };

const view = async (): Promise<SessionView> => (await (await ask(path)).json()) as SessionView;

beforeAll(async () => {
  const workingDirectory = world.daemon.project();
  const created = await ask('/api/sessions', 'POST', json, JSON.stringify({ workingDirectory }));
  path = `/api/sessions/${((await created.json()) as SessionView).id}`;
  await waitUntil('it is idle', async () => (await view()).status === 'idle');
});

/** Of all rows that match: `/a/b` is one of `/a/:id` as well. */
const methodsOf = (at: string) => {
  const matches = ({ path: template }: { path: string }) =>
    new RegExp(`^${template.replaceAll(/:\w+/g, '[^/]+').replaceAll(/\*\w+/g, '.+')}$`).test(at);
  return [...new Set(ROUTES.filter((rule) => !rule.local && matches(rule)).map(({ method }) => method))];
};
const PATHS = [...new Set(ROUTES.filter(({ local }) => !local).map((rule) => rule.path))];
const filled = (template: string) => template.replaceAll(/[:*]\w+/g, 'x');

describe('the method of a request', () => {
  test.each(PATHS)('O1: one that %s does not have is refused with 405 and those that it has', async (template) => {
    const methods = methodsOf(filled(template));
    const wrong = ['PUT', 'PATCH', 'DELETE', 'POST'].find((method) => !methods.includes(method)) ?? 'PROPFIND';
    const response = await ask(filled(template), wrong);
    const { error } = (await response.json()) as { error: unknown };
    expect(response.status).toBe(405);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', status: 405, details: { field: 'method' } });
    const allowed = response.headers.get('allow')?.split(', ');
    const expected = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
    expect(allowed?.sort()).toEqual(expected.sort());
    const options = await ask(filled(template), 'OPTIONS');
    expect({ status: options.status, allow: options.headers.get('allow') }).toEqual({
      status: 204,
      allow: response.headers.get('allow'),
    });
  });

  test('S1: without a credential, no one learns which methods there are', async () => {
    for (const method of ['OPTIONS', 'PUT', 'PROPFIND'] as const) {
      const response = await fetch(`${world.daemon.url}/api/sessions`, { method });
      expect(response.status).toBe(401);
      expect(response.headers.get('allow')).toBeNull();
    }
  });

  test('the requests of the local socket are known only there', async () => {
    expect((await ask('/local/token', 'GET')).status).toBe(404);
    expect(await askLocally(world.daemon, 'PUT', '/local/token')).toMatchObject({ error: { status: 405 } });
  });

  test('HEAD answers as GET does, without the body', async () => {
    const [got, head] = [await ask(path), await ask(path, 'HEAD')];
    expect(head.status).toBe(200);
    expect(head.headers.get('etag')).toBe(got.headers.get('etag'));
    expect(await head.text()).toBe('');
    const missing = await ask('/api/sessions/missing', 'HEAD');
    expect(missing.status).toBe(404);
    await got.json();
  });
});

describe('the body of a request', () => {
  const refused = { error: { code: 'INVALID_REQUEST', status: 415 } };

  test.each([
    [{ 'content-type': 'text/plain' }, 'content-type'],
    [{ 'content-type': 'application/json; charset=latin1' }, 'content-type'],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 'content-type'],
    [{ ...json, 'content-encoding': 'zstd' }, 'content-encoding'],
  ])('O1: as %j is refused with 415', async (headers, field) => {
    const response = await ask(path, 'PATCH', headers as Record<string, string>, '{"sessionName":"x"}');
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ error: { ...refused.error, details: { field } } });
  });

  test.each(['*/*', 'application/*', 'text/html;q=0.1, */*', 'image/png'])(
    'an answer is JSON whatever is accepted: %s',
    async (accept) => {
      const response = await ask(path, 'GET', { accept });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
      await response.json();
    },
  );
});

describe('the version of an answer', () => {
  test('is not sent again to who has it: a session, a list and an event', async () => {
    for (const at of [path, '/api/devices', `${path}/events/1`]) {
      const first = await ask(at);
      const etag = first.headers.get('etag') ?? '';
      expect(etag).toMatch(/^(W\/)?".+"$/);
      expect(first.headers.get('cache-control')).toBe('private, no-cache');
      await first.text();
      for (const tags of [etag, `"other", ${etag}`, '*']) {
        const again = await ask(at, 'GET', { 'if-none-match': tags });
        expect({ at, status: again.status, body: await again.text() }).toEqual({ at, status: 304, body: '' });
      }
      expect((await ask(at, 'GET', { 'if-none-match': '"other"' })).status).toBe(200);
    }
  });

  test('a change is made to the version that is meant, and to no other: two clients cannot both win', async () => {
    const etag = (await ask(path)).headers.get('etag') ?? '';
    const rename = (sessionName: string, tag: string) =>
      ask(path, 'PATCH', { ...json, 'if-match': tag }, JSON.stringify({ sessionName }));
    const both = await Promise.all([rename('one', etag), rename('two', etag)]);
    expect(both.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 412]);
    const lost = both.find(({ status }) => status === 412);
    expect(await lost?.json()).toMatchObject({
      error: { code: 'CONFLICT', status: 412, details: { field: 'If-Match' } },
    });
    const won = both[0]?.status === 200 ? 'one' : 'two';
    expect((await view()).sessionName).toBe(won);
    expect((await rename('three', `W/${(await ask(path)).headers.get('etag') ?? ''}`)).status).toBe(412);
    expect((await rename('four', '*')).status).toBe(200);
    const malformed = await rename('five', 'no-quotes');
    expect(malformed.status).toBe(400);
    expect(await malformed.json()).toMatchObject({ error: { details: { field: 'If-Match' } } });
    expect((await view()).sessionName).toBe('four');
  });

  test('of a device: of two clients that change it one wins, and its own use changes no version', async () => {
    const { deviceId, accessToken } = await pairDevice(world.daemon, { scopes: ['read'] });
    const at = `/api/devices/${deviceId}`;
    const etagOf = async () => (await ask(at)).headers.get('etag') ?? '';
    const etag = await etagOf();
    expect((await ask(at, 'GET', { 'if-none-match': etag })).status).toBe(304);
    await ask('/api/info', 'GET', { authorization: `Bearer ${accessToken}` });
    const change = (name: string) => ask(at, 'PATCH', { ...json, 'if-match': etag }, JSON.stringify({ name }));
    const both = await Promise.all([change('one'), change('two')]);
    expect(both.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 412]);
    const won = both[0]?.status === 200 ? 'one' : 'two';
    expect(await (await ask(at)).json()).toMatchObject({ deviceId, name: won });
    expect((await ask(at, 'DELETE', { 'if-match': etag })).status).toBe(412);
    expect((await ask('/api/info', 'GET', { authorization: `Bearer ${accessToken}` })).status).toBe(200);
    expect((await ask(at, 'DELETE', { 'if-match': await etagOf() })).status).toBe(200);
    expect((await ask('/api/devices/nobody')).status).toBe(404);
  });

  test('of a session that another one has changed keeps it from being closed or removed', async () => {
    const { id } = (await (
      await ask('/api/sessions', 'POST', json, JSON.stringify({ workingDirectory: world.daemon.project() }))
    ).json()) as SessionView;
    const at = `/api/sessions/${id}`;
    const etag = (await ask(at)).headers.get('etag') ?? '';
    await ask(at, 'PATCH', json, '{"sessionName":"mine"}');
    for (const query of ['', '?purge=true']) {
      expect((await ask(`${at}${query}`, 'DELETE', { 'if-match': etag })).status).toBe(412);
    }
    expect(await (await ask(at)).json()).toMatchObject({
      sessionName: 'mine',
      status: expect.not.stringMatching('closed'),
    });
    expect((await ask(at, 'DELETE', { 'if-match': '*' })).status).toBe(200);
  });

  test.each(
    ROUTES.filter(({ method, versioned, local }) => method !== 'GET' && !versioned && !local).map(
      (rule) => [rule.method, rule.path] as const,
    ),
  )('%s %s has none: with the tag of one nothing is done', async (method, template) => {
    const { status, headers } = await ask(filled(template), method, { ...json, 'if-match': '"x"' }, '{}');
    expect({ status, type: headers.get('content-type') }).toMatchObject({ status: 412 });
  });
});

test('O1: only who has a credential may send a large body with the answer to a permission request', async () => {
  const { accessToken } = await pairDevice(world.daemon);
  const big = JSON.stringify({ response: 'y', x: 'x'.repeat(17 * 1024) });
  const at = `${path}/permissions/none`;
  const stranger = await fetch(`${world.daemon.url}${at}`, { method: 'POST', headers: json, body: big });
  expect(stranger.status).toBe(413);
  const known = await ask(at, 'POST', { ...json, authorization: `Bearer ${accessToken}` }, big);
  expect(known.status).toBe(404);
});

test('a request without a length and with a body is read as any other', async () => {
  const sent = request(`${world.daemon.url}${path}`, {
    method: 'PATCH',
    headers: {
      ...json,
      authorization: `Bearer ${world.daemon.environment.AUTH_TOKEN}`,
      'transfer-encoding': 'chunked',
    },
  });
  const answered = new Promise<number | undefined>((resolve) =>
    sent.once('response', ({ statusCode }) => resolve(statusCode)),
  );
  sent.write('{"sessionName":');
  sent.end('"chunks"}');
  expect(await answered).toBe(200);
  expect((await view()).sessionName).toBe('chunks');
});
