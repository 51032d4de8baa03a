/** What turns have used: tokens and cost by session, project, model, person and day. */
import { expect, test } from '@jest/globals';
import { usageSchema } from '../../protocol/usage.js';
import { addUser, askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

async function rowsOf(query: string, token?: string) {
  const path = `/api/usage${query}`;
  if (token !== undefined) return usageSchema.parse((await askOver(world.daemon, 'GET', path, { token })).body).rows;
  return usageSchema.parse(await (await world.daemon.fetch(path)).json()).rows;
}

test('each turn counts once, in every group, across a killed daemon and until its session is purged', async () => {
  const client = await world.connect();
  const workingDirectory = world.daemon.project();
  const usage = {
    input_tokens: 10,
    output_tokens: 200,
    cache_read_input_tokens: 3000,
    cache_creation_input_tokens: 40_000,
  };
  const prompt = scenario({ text: 'Done.', fields: { usage } });
  let sessionId = '';
  const sessionCost = () =>
    client.events().reduce((sum, { type, data }) => (type === 'streamComplete' ? sum + Number(data.cost) : sum), 0);
  for (let turn = 0; turn < 2; turn += 1) {
    const { data } = await client.request('streamStart', { prompt, workingDirectory });
    ({ sessionId } = data);
    await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  }
  const [end] = client.events().filter(({ type }) => type === 'streamComplete');
  expect(end?.data.usage).toMatchObject(usage);
  const amounts = { turns: 2, input: 20, output: 400, cacheRead: 6000, cacheWrite: 80_000 };
  const [ofSession, ...others] = await rowsOf('?group=session');
  expect({ ofSession, others }).toMatchObject({ ofSession: { key: sessionId, ...amounts }, others: [] });
  expect(ofSession?.cost).toBeCloseTo(sessionCost(), 10);
  expect(ofSession?.cost).toBeGreaterThan(0);
  const model = (await rowsOf('?group=model'))[0]?.key ?? '';
  expect(model).toContain('claude');
  const today = new Date().toISOString().slice(0, 10);
  const groups = [
    ['project', workingDirectory],
    ['person', 'owner@localhost'],
    ['model', model],
  ] as const;
  for (const [group, key] of groups) expect(await rowsOf(`?group=${group}`)).toMatchObject([{ key, ...amounts }]);
  expect((await rowsOf('')).reduce((sum, { turns }) => sum + turns, 0)).toBe(2);
  expect(await rowsOf(`?group=session&to=2020-01-01`)).toEqual([]);
  expect(await rowsOf(`?group=session&from=2020-01-01&to=${today}`)).toMatchObject([amounts]);

  await world.daemon.restart('SIGKILL');
  expect(await rowsOf('?group=session')).toEqual([ofSession]);
  await addUser(world.daemon, 'ann@example.org');
  const ann = await pairDevice(world.daemon, { user: 'ann@example.org' });
  for (const group of ['session', 'person']) expect(await rowsOf(`?group=${group}`, ann.accessToken)).toEqual([]);
  const phone = await pairDevice(world.daemon, { scopes: ['read'] });
  expect(await rowsOf('?group=person', phone.accessToken)).toMatchObject([{ key: 'owner@localhost', ...amounts }]);

  await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
  await waitUntil('it is gone', async () => (await rowsOf('?group=session')).length === 0);
});

test.each([
  ['group=week', 'group'],
  ['from=yesterday', 'from'],
  ['to=2026-02-30', 'to'],
  ['from=2026-02-02&to=2026-02-01', 'to'],
])('%s is refused with the field', async (query, field) => {
  const response = await world.daemon.fetch(`/api/usage?${query}`);
  const { error } = (await response.json()) as { error: { details: { field: string; rule: string } } };
  expect([response.status, error.details.field]).toEqual([400, field]);
  expect(error.details.rule).not.toBe('');
});
