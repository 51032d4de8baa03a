/** What the daemon counts: requests, frames, sessions and turns, as Prometheus, JSON and CSV, and for one client. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { clientViewSchema, samplesSchema, telemetrySchema } from '../../protocol/telemetry.js';
import { TOKEN } from '../support/daemon.js';
import { addUser, askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
let client: WireClient;
let directory: string;
let sessionId: string;

beforeAll(async () => {
  directory = world.daemon.project();
  client = await world.connect({ deviceId: 'phone' });
  const usage = { input_tokens: 10, output_tokens: 20, cache_read_input_tokens: 30, cache_creation_input_tokens: 40 };
  for (let turn = 0; turn < 2; turn += 1) {
    const prompt = scenario({ text: 'Done.', fields: { usage } });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: directory });
    sessionId = data.sessionId;
    await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  }
});

const text = async (path: string): Promise<string> => (await world.daemon.fetch(path)).text();

/** The values of one metric by their labels as they are written. */
async function valuesOf(name: string): Promise<Map<string, number>> {
  const lines = (await text('/metrics')).split('\n').filter((line) => new RegExp(`^companion_${name}[{ ]`).test(line));
  return new Map(
    lines.map((line) => {
      const [, labels = '', value = ''] = /^\w+(\{.*\})? (.+)$/.exec(line) ?? [];
      return [labels, Number(value)];
    }),
  );
}

const telemetry = async () => telemetrySchema.parse(JSON.parse(await text('/api/telemetry')));

describe('metrics', () => {
  test('count requests by route, method and status, and none by what a client makes up', async () => {
    for (const path of ['/api/sessions/made-up-1', '/api/sessions/made-up-2', '/nothing/made-up-3']) await text(path);
    const requests = await valuesOf('http_requests_total');
    expect(requests.get('{method="GET",route="/api/sessions/:id",status="404"}')).toBe(2);
    expect(requests.get('{method="other",route="none",status="404"}')).toBeGreaterThanOrEqual(1);
    expect(await text('/metrics')).not.toContain('made-up');
    const seconds = await valuesOf('http_request_seconds_count');
    expect(seconds.get('{method="GET",route="/api/sessions/:id"}')).toBe(2);
  });

  test('count frames by type and outcome, with the time that each took', async () => {
    expect((await client.request('streamClose', { sessionId: 'gone', reason: 'x' })).type).toBe('error');
    const frames = await valuesOf('frames_total');
    expect(frames.get('{type="streamStart",outcome="ok"}')).toBe(2);
    expect(frames.get('{type="streamClose",outcome="SESSION_NOT_FOUND"}')).toBe(1);
    expect((await valuesOf('frame_seconds_count')).get('{type="streamStart"}')).toBe(2);
  });

  test('count turns with their tokens and cost', async () => {
    expect((await valuesOf('turns_total')).get('{subtype="success"}')).toBe(2);
    const { model } = JSON.parse(await text(`/api/sessions/${sessionId}`)) as { model: string };
    expect(Object.fromEntries(await valuesOf('tokens_total'))).toEqual({
      [`{kind="input",model="${model}"}`]: 20,
      [`{kind="output",model="${model}"}`]: 40,
      [`{kind="cacheRead",model="${model}"}`]: 60,
      [`{kind="cacheWrite",model="${model}"}`]: 80,
    });
    const cost = await valuesOf('cost_dollars_total');
    expect(cost.get(`{model="${model}"}`)).toBeGreaterThan(0);
    expect(cost.size).toBe(1);
    expect((await valuesOf('turn_seconds_count')).get('')).toBe(2);
  });

  test('count what a chat without a session has used', async () => {
    const spent = async () => [...(await valuesOf('cost_dollars_total')).values()].reduce((all, one) => all + one);
    const before = await spent();
    const messages = [{ role: 'user', content: scenario({ text: 'Done.' }) }];
    const answer = await world.daemon.fetch('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'default', messages }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    expect(await spent()).toBeGreaterThan(before);
    expect([...(await valuesOf('cost_dollars_total')).keys()].join()).not.toContain('unknown');
  });

  test('tell what the machine and the queues have: children, memory, disk, the loop', async () => {
    const text = await world.daemon.fetch('/metrics').then((response) => response.text());
    const value = (name: string) => Number(new RegExp(`^companion_${name} (.+)$`, 'm').exec(text)?.[1]);
    expect([value('children'), value('queued_prompts'), value('open_permissions'), value('waiting_for_child')]).toEqual(
      [1, 0, 0, 0],
    );
    const bytes = ['heap_used_bytes', 'resident_memory_bytes', 'children_memory_bytes', 'free_memory_bytes'];
    for (const name of [...bytes, 'free_disk_bytes', 'max_children']) expect(value(name)).toBeGreaterThan(0);
    expect(value('event_streams')).toBe(0);
    expect(value('event_loop_lag_seconds')).toBeGreaterThanOrEqual(0);
    expect(value('event_loop_utilization')).toBeLessThanOrEqual(1);
  });
});

describe('telemetry', () => {
  test('has the counters in the shape of the source document, and follows what happens', async () => {
    const before = await telemetry();
    expect(before).toMatchObject({
      websocket: { activeConnections: 1 },
      sessions: { created: 1, active: 1, expired: 0, duplicatesPrevented: 1 },
    });
    expect(before.messages.queued).toBeGreaterThan(4);
    expect(before.messages.delivered).toBeGreaterThan(4);
    expect(before.performance.avgMessageProcessingTime).toBeGreaterThan(0);
    const again = await world.connect({ deviceId: 'phone' });
    await again.waitFor('caughtUp');
    client = again;
    await client.request('ping', {});
    const after = await telemetry();
    expect(after.websocket.reconnections).toBe(before.websocket.reconnections + 1);
    expect(after.websocket.totalMessages.received).toBe(before.websocket.totalMessages.received + 1);
    expect(after.websocket.totalMessages.sent).toBeGreaterThanOrEqual(before.websocket.totalMessages.sent + 2);
  });

  test('of one client is found by its id or its device, and by its person alone', async () => {
    const { clientId } = (await client.waitFor('welcome')).data;
    const view = clientViewSchema.parse(JSON.parse(await text(`/api/telemetry/client/${String(clientId)}`)));
    expect(view).toMatchObject({ clientId, deviceId: 'phone' });
    expect(view.totalMessages.received).toBeGreaterThan(0);
    expect(clientViewSchema.parse(JSON.parse(await text('/api/telemetry/client/phone')))).toMatchObject({ clientId });
    await addUser(world.daemon, 'ann@example.org');
    const { accessToken: token } = await pairDevice(world.daemon, { user: 'ann@example.org' });
    for (const [id, credential] of [
      ['phone', token],
      ['gone', TOKEN],
    ] as const) {
      const answer = await askOver(world.daemon, 'GET', `/api/telemetry/client/${id}`, { token: credential });
      expect(answer).toMatchObject({ status: 404, body: { error: { details: { field: 'clientId' } } } });
    }
    expect((await askOver(world.daemon, 'GET', '/api/telemetry', { token })).status).toBe(403);
  });

  test('is exported as JSON, CSV and for Prometheus, with the same values, and in no other format', async () => {
    const { samples } = samplesSchema.parse(JSON.parse(await text('/api/telemetry/export')));
    expect(samples).toContainEqual({ name: 'turns_total', labels: { subtype: 'success' }, value: 2 });
    const csv = await world.daemon.fetch('/api/telemetry/export?format=csv');
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
    const lines = (await csv.text()).split('\r\n');
    expect(lines[0]).toBe('name,labels,value');
    expect(lines).toContain('turns_total,subtype=success,2');
    expect(lines).toContainEqual(expect.stringMatching(/^tokens_total,kind=cacheWrite;model=\S+,80$/));
    expect(await text('/api/telemetry/export?format=prometheus')).toContain(
      'companion_turns_total{subtype="success"} 2\n',
    );
    const refused = await world.daemon.fetch('/api/telemetry/export?format=xml');
    expect([
      refused.status,
      ((await refused.json()) as { error: { details: { field: string } } }).error.details.field,
    ]).toEqual([400, 'format']);
  });
});
