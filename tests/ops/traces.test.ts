import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { callTool, connectMcp } from '../mcp/mcp-client.js';
import { scenario } from '../support/scripted-api.js';
import { type ReceivedSpan, startTraceReceiver, type TraceReceiver } from '../support/trace-receiver.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const receiver: TraceReceiver = await startTraceReceiver();
const SECRET = 'a-secret-of-the-receiver';
/** Stands in every text of this file that no receiver may get. */
const PRIVATE = 'heron';
const world = useWorld({
  environment: {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${SECRET}`,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  },
});
afterAll(() => receiver.close());

const CALLER = '00f067aa0ba902b7';
let traces = 0;
/** A trace of the caller's that no other test has. */
function newTrace(): { traceId: string; traceparent: string } {
  traces += 1;
  const traceId = `4bf92f3577b34da6a3ce929d0e0e${traces.toString(16).padStart(4, '0')}`;
  return { traceId, traceparent: `00-${traceId}-${CALLER}-01` };
}

function named(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  expect(found.map((span) => span.name)).toEqual([name]);
  return found[0] as ReceivedSpan;
}

/** The names from the span up to the caller's own, which must be at the top. */
function chainOf(spans: readonly ReceivedSpan[], name: string): string[] {
  const names: string[] = [];
  for (let id = named(spans, name).spanId; id !== CALLER; ) {
    const span = spans.find(({ spanId }) => spanId === id);
    if (!span) throw new Error(`${names.join(' of ')} is part of a span that has not come`);
    names.push(span.name);
    id = span.parentSpanId;
  }
  return names;
}

const TURN = ['prompt queued', 'claude turn', 'claude first token'];
const PROMPTS = 'POST /api/sessions/:id/prompts';
let sessionId: string;

/** Sends a prompt over REST and waits for the end of its turn, if that is asked for. */
async function send(prompt: string, { traceparent, wait = true }: { traceparent: string; wait?: boolean }) {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/prompts?wait=${wait}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ prompt }),
  });
  expect(response.status).toBe(wait ? 200 : 202);
  return (await response.json()) as { id: string };
}

beforeAll(async () => {
  const client = await world.connect();
  const workingDirectory = world.daemon.project(`${PRIVATE}-project`);
  const started = await client.request('streamStart', { prompt: '', workingDirectory });
  ({ sessionId } = started.data);
});

test('a prompt is one trace from its request through queue and CLI to first token and end, a part of the caller’s', async () => {
  const { traceId, traceparent } = newTrace();
  const { id } = await send(scenario({ text: `The ${PRIVATE} has landed.`, chunk: 4 }), { traceparent });
  const spans = await receiver.trace(traceId, PROMPTS, ...TURN);
  expect(spans).toHaveLength(4);
  expect(chainOf(spans, 'prompt queued')).toEqual(['prompt queued', PROMPTS]);
  expect(chainOf(spans, 'claude first token')).toEqual(['claude first token', 'claude turn', PROMPTS]);
  const [request, queued, turn, token] = [PROMPTS, ...TURN].map((name) => named(spans, name)) as [
    ReceivedSpan,
    ReceivedSpan,
    ReceivedSpan,
    ReceivedSpan,
  ];
  const ids = { 'session.id': sessionId, 'companion.prompt.id': id };
  expect(request).toMatchObject({ kind: 2, status: 0, attributes: { 'http.response.status_code': 200 } });
  expect(queued.attributes).toMatchObject({ ...ids, 'companion.prompt.mode': 'queue', 'companion.outcome': 'given' });
  expect(turn).toMatchObject({ status: 0, attributes: { ...ids, 'companion.outcome': 'success' } });
  expect(turn.attributes['gen_ai.request.model']).toEqual(expect.any(String));
  expect(Number(turn.attributes['gen_ai.usage.output_tokens'])).toBeGreaterThan(0);
  expect(token.attributes).toEqual(ids);
  const order = [queued.start, queued.end, turn.start, token.end, turn.end];
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(request.start).toBeLessThan(queued.end);
  const [{ resource, path, headers } = {}] = receiver.exports;
  expect(resource).toMatchObject({ 'service.name': 'claude-companion', 'service.version': expect.any(String) });
  expect(Object.keys(resource ?? {}).filter((name) => name.startsWith('process.'))).toEqual([]);
  expect({ path, type: headers?.['content-type'] }).toEqual({ path: '/v1/traces', type: 'application/x-protobuf' });
  expect(headers?.authorization).toBe(`Bearer ${SECRET}`);
});

test('the time in the queue of a prompt that waits for another one is in its own trace', async () => {
  const [first, second] = [newTrace(), newTrace()];
  await send(scenario({ text: 'One.', gate: 'first of two' }), { ...first, wait: false });
  await send(scenario({ text: 'Two.' }), { ...second, wait: false });
  await world.api.reached('first of two');
  const held = Date.now();
  world.api.release('first of two');
  const [ofFirst, ofSecond] = await Promise.all([
    receiver.trace(first.traceId, ...TURN),
    receiver.trace(second.traceId, ...TURN),
  ]);
  expect(chainOf(ofSecond, 'claude turn')).toEqual(['claude turn', PROMPTS]);
  const queued = named(ofSecond, 'prompt queued');
  expect(queued.start).toBeLessThanOrEqual(held);
  expect(queued.end).toBeGreaterThanOrEqual(Math.floor(named(ofFirst, 'claude turn').end));
  expect(named(ofSecond, 'claude turn').attributes['companion.queued_ms']).toBeGreaterThanOrEqual(
    held - queued.start - 1,
  );
});

test('a permission request is the part of the turn in which it waits for a person', async () => {
  const { traceId, traceparent } = newTrace();
  const client = await world.connect();
  await client.request('subscribe', { events: ['*'] });
  const tool = { name: 'Bash', input: { command: `touch ${PRIVATE}.txt`, description: PRIVATE } };
  const prompt = scenario({ tools: [tool] }, { text: 'Touched.' });
  await client.request('streamSend', { sessionId, prompt, traceparent }, 'touch-1');
  const { data } = await client.waitFor('permissionRequest');
  const denied = { sessionId, permissionId: data.permissionId, response: 'n', remember: false };
  expect((await client.request('permission', denied)).type).toBe('permissionAccepted');
  const spans = await receiver.trace(traceId, ...TURN, 'frame streamSend', 'permission wait');
  expect(chainOf(spans, 'permission wait')).toEqual(['permission wait', 'claude turn', 'frame streamSend']);
  const waited = named(spans, 'permission wait');
  expect(waited.attributes).toMatchObject({ 'gen_ai.tool.name': 'Bash', 'companion.decision': 'deny' });
  expect(named(spans, 'frame streamSend').attributes).toMatchObject({ 'companion.request.id': 'touch-1' });
  expect(named(spans, 'claude turn').end).toBeGreaterThanOrEqual(waited.end);
});

test('frames are part of the trace in which their connection began, where they name no other', async () => {
  const ofConnection = newTrace();
  const client = await world.connect({ headers: { traceparent: ofConnection.traceparent } });
  await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Mine.' }) });
  const spans = await receiver.trace(ofConnection.traceId, ...TURN, 'frame streamSend');
  expect(chainOf(spans, 'claude turn')).toEqual(['claude turn', 'frame streamSend']);
});

test('a traceparent that is not valid is ignored: the prompt runs, and begins a trace', async () => {
  const client = await world.connect();
  const wrong = '00-4bf92f3577b34da6a3ce929d0e0e0000-0000000000000000-01';
  for (const [requestId, traceparent] of Object.entries({ zeros: wrong, words: PRIVATE, nothing: '' })) {
    const { type } = await client.request(
      'streamSend',
      { sessionId, prompt: scenario({ text: 'x' }), traceparent },
      requestId,
    );
    expect(type).toBe('promptAccepted');
    const isOf = (span: ReceivedSpan) =>
      span.name === 'claude turn' && span.attributes['companion.request.id'] === requestId;
    await waitUntil('its turn has come', () => receiver.spans.some(isOf));
    const { traceId, parentSpanId } = receiver.spans.find(isOf) as ReceivedSpan;
    const [frame] = receiver.spans.filter(({ spanId }) => spanId === parentSpanId);
    expect(frame).toMatchObject({ traceId, name: 'frame streamSend', parentSpanId: '' });
  }
  await send(scenario({ text: 'Headers too.' }), { traceparent: PRIVATE });
});

test('a caller that is not sampled is not traced', async () => {
  const { traceId, traceparent } = newTrace();
  const later = newTrace();
  await send(scenario({ text: 'Not seen.' }), { traceparent: traceparent.replace(/1$/, '0') });
  await send(scenario({ text: 'Seen.' }), later);
  await receiver.trace(later.traceId, ...TURN);
  expect(receiver.spans.filter((span) => span.traceId === traceId)).toEqual([]);
});

describe('clients of other APIs', () => {
  const post = (path: string, body: object, traceparent: string) =>
    world.daemon.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent },
      body: JSON.stringify(body),
    });
  const messages = (text: string) => [{ role: 'user', content: scenario({ text }) }];
  const CHAT = 'POST /v1/chat/completions';

  test('a chat in a session is traced as its prompt', async () => {
    const { traceId, traceparent } = newTrace();
    const chat = { model: 'default', session_id: sessionId, messages: messages('In a session.') };
    expect((await post('/v1/chat/completions', chat, traceparent)).status).toBe(200);
    const spans = await receiver.trace(traceId, CHAT, ...TURN);
    expect(chainOf(spans, 'claude first token')).toEqual(['claude first token', 'claude turn', CHAT]);
  });

  test('a chat without a session has its own parts', async () => {
    const { traceId, traceparent } = newTrace();
    const chat = { model: 'default', messages: messages('Alone.') };
    expect((await post('/v1/chat/completions', chat, traceparent)).status).toBe(200);
    const spans = await receiver.trace(traceId, CHAT, 'claude chat', 'claude first token');
    expect(chainOf(spans, 'claude first token')).toEqual(['claude first token', 'claude chat', CHAT]);
    expect(named(spans, 'claude chat')).toMatchObject({ status: 0, attributes: { 'companion.outcome': 'success' } });
  });

  test('a response is traced as its prompt', async () => {
    const { traceId, traceparent } = newTrace();
    const asked = { model: 'default', input: scenario({ text: 'Kept.' }) };
    expect((await post('/v1/responses', asked, traceparent)).status).toBe(200);
    const spans = await receiver.trace(traceId, 'POST /v1/responses', ...TURN);
    expect(chainOf(spans, 'claude turn')).toEqual(['claude turn', 'POST /v1/responses']);
  });

  test('a prompt of an agent over MCP is part of its call', async () => {
    const { traceId, traceparent } = newTrace();
    const client = await connectMcp(world, { headers: { traceparent } });
    const args = { sessionId, prompt: scenario({ text: 'By a tool.' }) };
    expect((await callTool(client, { name: 'send_prompt', args })).isError).toBe(false);
    await client.close();
    const spans = await receiver.trace(traceId, 'POST /mcp', ...TURN);
    const turn = named(spans, 'claude turn');
    const call = spans.find(({ spanId }) => spanId === turn.parentSpanId);
    expect(call).toMatchObject({ name: 'POST /mcp', parentSpanId: CALLER });
  });

  test('what a hook and a schedule send is traced from there', async () => {
    const { traceId, traceparent } = newTrace();
    const made = await post('/api/hooks', { template: scenario({ text: 'By a hook.' }), sessionId }, traceparent);
    const { path, secret } = (await made.json()) as { path: string; secret: string };
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}`, traceparent };
    const delivered = await world.daemon.fetch(path, { method: 'POST', headers, body: '{}' });
    expect(delivered.status).toBe(202);
    const spans = await receiver.trace(traceId, 'POST /api/hooks/:id', ...TURN);
    expect(chainOf(spans, 'claude turn')).toEqual(['claude turn', 'POST /api/hooks/:id']);

    const at = new Date(Date.now() + 3_600_000).toISOString();
    const due = await post('/api/schedules', { prompt: scenario({ text: 'At a time.' }), sessionId, at }, traceparent);
    const { id } = (await due.json()) as { id: string };
    expect((await post(`/api/schedules/${id}/run`, {}, traceparent)).status).toBeLessThan(300);
    const isOfSchedule = (span: ReceivedSpan) => span.attributes['companion.schedule.id'] === id;
    await waitUntil('the schedule has come', () => receiver.spans.some(isOfSchedule));
    const [schedule] = receiver.spans.filter(isOfSchedule) as [ReceivedSpan];
    expect(schedule).toMatchObject({ name: 'schedule', parentSpanId: '' });
    const later = await receiver.trace(schedule.traceId, 'schedule', ...TURN);
    expect(named(later, 'claude turn').parentSpanId).toBe(schedule.spanId);
  });

  test('a refused request says its code', async () => {
    const { traceId, traceparent } = newTrace();
    expect((await post(`/api/sessions/${sessionId}/prompts`, { prompt: 1 }, traceparent)).status).toBe(400);
    const [span] = await receiver.trace(traceId, PROMPTS);
    expect(span).toMatchObject({
      status: 0,
      attributes: { 'http.response.status_code': 400, 'error.type': 'INVALID_REQUEST' },
    });
  });
});

test('the CLI gets the settings of OpenTelemetry as well: it can send its own', () => {
  const [pid] = world.daemon.sessionProcesses(sessionId);
  const given = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  expect(given).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=${receiver.url}`);
  expect(given).toContain('OTEL_BSP_SCHEDULE_DELAY=20');
});

test('prompts that run and wait when the daemon is killed end in the traces of their callers', async () => {
  const [running, waiting] = [newTrace(), newTrace()];
  await send(scenario({ text: 'Over the death.', gate: 'death' }), { ...running, wait: false });
  await send(scenario({ text: 'After it.' }), { ...waiting, wait: false });
  await world.api.reached('death');
  // What a killed daemon has not sent is lost.
  await receiver.trace(running.traceId, PROMPTS, 'prompt queued');
  await receiver.trace(waiting.traceId, PROMPTS);
  await world.daemon.restart('SIGKILL');
  world.api.release('death');
  const [ofRunning, ofWaiting] = await Promise.all([
    receiver.trace(running.traceId, 'claude turn'),
    receiver.trace(waiting.traceId, ...TURN),
  ]);
  for (const spans of [ofRunning, ofWaiting]) {
    expect(chainOf(spans, 'claude turn')).toEqual(['claude turn', PROMPTS]);
    expect(chainOf(spans, 'prompt queued')).toEqual(['prompt queued', PROMPTS]);
    expect(named(spans, 'claude turn').attributes['companion.outcome']).toBe('success');
  }
  expect(named(ofRunning, 'claude turn').start).toBeLessThan(named(ofWaiting, 'claude turn').start);
});

test('no byte that was sent holds a text of a prompt, an answer or a tool, or a path', () => {
  expect(receiver.exports.length).toBeGreaterThan(5);
  const all = Buffer.concat(receiver.exports.map(({ body }) => body)).toString('latin1');
  for (const text of [PRIVATE, world.daemon.root, 'scenario', 'After it', 'touch ', SECRET]) {
    expect(all).not.toContain(text);
  }
  expect(scenario({ text: 'x' })).toContain('scenario');
});
