import { describe, expect, test } from '@jest/globals';
import { deviceQueueSchema } from '../../protocol/rest.js';
import { readEvents } from '../support/event-reader.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const KEPT = 12;
const world = useWorld({ environment: { RETENTION_EVENTS: String(KEPT) } });
const open = useSharedSession(world);

const expired = async (): Promise<number> => {
  const text = await (await world.daemon.fetch('/metrics')).text();
  return Number(/^companion_events_expired_total\{limit="events"\} (\d+)$/m.exec(text)?.[1] ?? 0);
};

/** Waits until retention has brought the session down to what it may keep. */
const trimmed = (sessionId: string, head: number): Promise<void> =>
  waitUntil('retention has trimmed the session', async () => {
    const gone = await world.daemon.fetch(`/api/sessions/${sessionId}/events/${head - KEPT}`);
    return gone.status === 404;
  });

async function say(author: WireClient, sessionId: string, text: string): Promise<number> {
  const from = author.frames.length;
  await author.request('streamSend', { sessionId, prompt: scenario({ text }) });
  const idle = await author.waitFor(isIdle, from);
  return idle.seq ?? 0;
}

const isIdle = ({ type, data }: Frame) => type === 'sessionStatus' && data.status === 'idle';

const queueOf = async (deviceId: string) =>
  deviceQueueSchema.parse(await (await world.daemon.fetch(`/api/devices/${deviceId}/queue`)).json());

describe('retention', () => {
  test('D3: what is removed while a device is away becomes a reset with the reason and a snapshot, once', async () => {
    const author = await world.connect();
    const { sessionId } = await open(author);
    const device = await world.connect({ deviceId: 'long-away' });
    await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    await device.waitFor('caughtUp');
    await device.close();
    const before = await expired();
    let head = 0;
    for (const text of ['one', 'two', 'three', 'four', 'five']) head = await say(author, sessionId, text);
    await trimmed(sessionId, head);
    expect(await expired()).toBeGreaterThan(before);
    const kept = await world.daemon.fetch(`/api/sessions/${sessionId}/events/${head - KEPT + 1}`);
    expect(kept.status).toBe(200);
    const queued = (await queueOf('long-away')).sessions;
    expect(queued).toEqual([
      { sessionId, depth: 0, oldest: null, newest: null, from: head, head, resume: 'reset', reason: 'retention' },
    ]);
    const back = await world.connect({ deviceId: 'long-away' });
    const welcome = await back.waitFor('welcome');
    expect(welcome.data.resumed).toEqual([{ sessionId, resume: 'reset', reason: 'retention', from: head, head }]);
    const reset = await back.waitFor('reset');
    expect(reset.data).toMatchObject({
      sessionId,
      head,
      reason: 'retention',
      snapshot: { status: { status: 'idle' } },
    });
    expect(JSON.stringify(reset.data.snapshot)).toContain('five');
    expect((await back.waitFor('caughtUp')).data.seq).toBe(head);
    expect(back.events()).toEqual([]);
    const isReceived = async () => (await queueOf('long-away')).sessions[0]?.resume !== 'reset';
    await waitUntil('the receipt of the reset has come', isReceived);
    await back.close();
    const again = await world.connect({ deviceId: 'long-away' });
    expect((await again.waitFor('welcome')).data.resumed).toEqual([{ sessionId, resume: 'replay', from: head, head }]);
  });

  test('an unanswered permission request is never removed, and can be answered after everything around it is', async () => {
    const author = await world.connect({ deviceId: 'asked' });
    const { sessionId } = await open(author);
    const tools = [{ name: 'Read', input: { file_path: '/etc/hostname' } }];
    await author.request('streamSend', { sessionId, prompt: scenario({ tools }, { text: 'done' }) });
    const asked = await author.waitFor('permissionRequest');
    let head = asked.seq ?? 0;
    // A request changes the status; each name change writes none, so settings make the events here.
    for (let count = 0; count < KEPT; count += 1) {
      const from = author.frames.length;
      await author.request('setPermissionMode', { sessionId, mode: count % 2 === 0 ? 'plan' : 'default' });
      head = (await author.waitFor(({ type, seq }) => type === 'sessionStatus' && seq !== undefined, from)).seq ?? 0;
    }
    await trimmed(sessionId, head);
    const event = await world.daemon.fetch(`/api/sessions/${sessionId}/events/${asked.seq}`);
    expect((await event.json()) as object).toMatchObject({ type: 'permissionRequest', seq: asked.seq });
    await world.daemon.restart('SIGKILL');
    const back = await world.connect({ deviceId: 'fresh' });
    await back.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const again = await back.waitFor('permissionRequest');
    expect(again.data.permissionId).toBe(asked.data.permissionId);
    const { permissionId } = asked.data;
    const answer = await back.request('permission', { sessionId, permissionId, response: 'y', remember: false });
    expect(answer.type).toBe('permissionAccepted');
    await back.waitFor('streamComplete');
  });

  test('a request id is known after its events are gone: the prompt is not run again', async () => {
    const author = await world.connect({ deviceId: 'repeats' });
    const { sessionId } = await open(author);
    const prompt = scenario({ text: 'Only once.' });
    const first = await author.request('streamSend', { sessionId, prompt }, 'repeated-1');
    await author.waitFor(isIdle);
    let head = 0;
    for (const text of ['more', 'and more', 'and more still']) head = await say(author, sessionId, text);
    await trimmed(sessionId, head);
    const from = author.frames.length;
    author.send('streamSend', { sessionId, prompt }, 'repeated-1');
    const repeated = await author.waitFor(({ requestId }) => requestId === 'repeated-1', from);
    expect(repeated.data).toMatchObject({ promptId: first.data.promptId, duplicate: true });
    expect(world.api.runs('Only once.')).toBe(1);
  });

  test('the limits hold over a restart, also for a session that was larger before', async () => {
    const author = await world.connect();
    const { sessionId } = await open(author);
    let head = 0;
    for (const text of ['a', 'b', 'c', 'd']) head = await say(author, sessionId, text);
    await trimmed(sessionId, head);
    await world.daemon.restart('SIGTERM');
    const device = await world.connect();
    const cursors = { [sessionId]: { epoch: String(device.frames[0]?.data.epoch), seq: 0 } };
    const answer = await device.request('subscribe', { events: ['*'], cursors });
    expect(answer.data.sessions).toContainEqual({ sessionId, resume: 'reset', reason: 'retention', from: head, head });
    const within = { [sessionId]: { epoch: String(device.frames[0]?.data.epoch), seq: head - KEPT } };
    const whole = await device.request('subscribe', { events: ['*'], cursors: within });
    expect(whole.data.sessions).toContainEqual({ sessionId, resume: 'replay', from: head - KEPT, head });
    await device.waitFor(({ seq }) => seq === head);
    expect(device.events(sessionId)).toHaveLength(KEPT);
  });
});

describe('the queue of a device', () => {
  test('D2: shows depth, oldest and newest of each session, and is empty when all is acknowledged', async () => {
    const author = await world.connect();
    const { sessionId } = await open(author);
    const device = await world.connect({ deviceId: 'queued' });
    const subscribed = await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    expect(subscribed.type).toBe('subscribed');
    const { seq: from } = (await device.waitFor('caughtUp')).data;
    device.send('ack', { sessionId, seq: from });
    await device.request('ping', {});
    await device.close();
    const head = await say(author, sessionId, 'Queued.');
    const missed = author.events(sessionId).filter(({ seq }) => (seq ?? 0) > from);
    expect((await queueOf('queued')).sessions).toEqual([
      {
        sessionId,
        depth: head - from,
        oldest: missed[0]?.timestamp,
        newest: missed.at(-1)?.timestamp,
        from,
        head,
        resume: 'replay',
      },
    ]);
    const back = await world.connect({ deviceId: 'queued' });
    await back.waitFor('caughtUp');
    back.send('ack', { sessionId, seq: head });
    await back.request('ping', {});
    expect((await queueOf('queued')).sessions).toMatchObject([{ sessionId, depth: 0, oldest: null, newest: null }]);
  });

  test.each([
    ['nobody', 404, { code: 'NOT_FOUND', details: { field: 'id' } }],
    ['not%20an%20id', 400, { code: 'INVALID_REQUEST', details: { field: 'id' } }],
  ])('O1: of %s is refused with the field', async (id, status, error) => {
    const response = await world.daemon.fetch(`/api/devices/${id}/queue`);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error });
  });

  test('S1: neither the queue nor the metrics are shown without a credential', async () => {
    for (const path of ['/metrics', '/api/devices/queued/queue']) {
      expect((await fetch(`${world.daemon.url}${path}`)).status).toBe(401);
    }
  });

  test('D3: an event stream tells by a reset what is no longer kept, and ends with the end of its prompt', async () => {
    const author = await world.connect();
    const { sessionId } = await open(author);
    const idsOf: string[] = [];
    const sendAs = async (text: string) => {
      const from = author.frames.length;
      const { promptId } = (await author.request('streamSend', { sessionId, prompt: scenario({ text }) })).data;
      const idle = await author.waitFor(isIdle, from);
      idsOf.push(promptId);
      return idle;
    };
    const [first, second] = [await sendAs('old'), await sendAs('older')];
    let last = second;
    for (const text of ['three', 'four', 'five']) last = await sendAs(text);
    await trimmed(sessionId, last.seq ?? 0);
    const read = (path: string) => readEvents(`${world.daemon.url}/api/sessions/${sessionId}/${path}`);

    // Nothing of the first prompt is kept: its end is told from its record.
    const gone = read(`prompts/${idsOf[0]}/stream`);
    await gone.closed();
    expect(gone.events.map(({ event }) => event)).toEqual(['connected', 'reset', 'complete']);
    expect(gone.events[1]?.data).toMatchObject({ reason: 'retention' });
    expect(gone.events[1]?.data.error).toBeUndefined();
    expect(gone.events[2]?.data).toMatchObject({ promptId: idsOf[0], result: 'old', subtype: 'success' });
    expect(gone.statuses).toEqual([200, 204]);

    const behind = read(`stream?after=${first.epoch}:${first.seq}`);
    const reset = await behind.waitFor('reset');
    expect(reset.data).toMatchObject({ reason: 'retention', head: expect.any(Number) });
    expect(reset.data.error).toBeUndefined();
    expect(JSON.stringify(reset.data.snapshot)).toContain('five');
    const promptId = (await author.request('streamSend', { sessionId, prompt: scenario({ text: 'six' }) })).data
      .promptId;
    await behind.waitFor(({ event, data }) => event === 'complete' && data.promptId === promptId);
    behind.close();
  });
});
