import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const sharedDirectory = useSharedDirectory(world);
afterEach(() => world.disconnect());
/** For long texts: the CLI takes the whole conversation in each of its turns. */
const standIn = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

/** A session whose last turn has ended, opened by another device than those under test. */
async function sessionWithTurn(directory?: string): Promise<{ sessionId: string; author: WireClient; head: number }> {
  const author = await world.connect();
  const started = await author.request('streamStart', {
    prompt: scenario({ text: 'First.' }),
    workingDirectory: directory ?? (await sharedDirectory()),
  });
  const idle = await author.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
  return { sessionId: started.data.sessionId, author, head: idle.seq ?? 0 };
}

const say = async (author: WireClient, sessionId: string, prompt: string): Promise<number> => {
  const from = author.frames.length;
  await author.request('streamSend', { sessionId, prompt });
  const idle = await author.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle', from);
  return idle.seq ?? 0;
};

const caughtUp = (client: WireClient, sessionId: string): Promise<Frame> =>
  client.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);

const seqs = (frames: Frame[]): (number | undefined)[] => frames.map(({ seq }) => seq);

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('delivery', () => {
  test('D2, D3: a device that was away gets exactly what it missed, marked, then caughtUp, then live events', async () => {
    const { sessionId, author, head } = await sessionWithTurn();
    const device = await world.connect({ deviceId: 'away' });
    const subscribed = await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    expect(subscribed.data.sessions).toEqual([{ sessionId, resume: 'replay', from: head, head }]);
    await caughtUp(device, sessionId);
    device.send('ack', { sessionId, seq: head });
    await device.request('ping', {});
    await device.close();
    const missedTo = await say(author, sessionId, scenario({ text: 'While away.' }));
    const back = await world.connect({ deviceId: 'away' });
    const welcome = await back.waitFor('welcome');
    expect(welcome.data.resumed).toEqual([{ sessionId, resume: 'replay', from: head, head: missedTo }]);
    const mark = await caughtUp(back, sessionId);
    expect(mark.data.seq).toBe(missedTo);
    const missed = back.events();
    expect(seqs(missed)).toEqual(range(head + 1, missedTo));
    for (const frame of missed) {
      expect(frame).toMatchObject({ _queued: true, _queuedAt: frame.timestamp, _originalTimestamp: frame.timestamp });
    }
    const end = await say(author, sessionId, scenario({ text: 'Live again.' }));
    await back.waitFor(({ seq }) => seq === end);
    const live = back.events().slice(missed.length);
    expect(seqs(live)).toEqual(range(missedTo + 1, end));
    for (const frame of live) expect(frame._queued).toBeUndefined();
  });

  test('D2: what was not acknowledged comes again, what was is gone for good, also after a restart; a lower ack does nothing', async () => {
    const device = await world.connect({ deviceId: 'partly' });
    const started = await device.request('streamStart', {
      prompt: scenario({ text: 'Partly.' }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId } = started.data;
    const idle = await device.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    const head = idle.seq ?? 0;
    // Begins at the head of a session that was there before.
    const later = await world.connect({ deviceId: 'acks' });
    await later.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch: epochOf(later), seq: 0 } } });
    await caughtUp(later, sessionId);
    expect(seqs(later.events(sessionId))).toEqual(range(1, head));
    device.send('ack', { sessionId, seq: 4 });
    device.send('ack', { sessionId, seq: 2 });
    later.send('ack', { sessionId, seq: 3 });
    later.send('ack', { sessionId, seq: 2 });
    for (const client of [device, later]) await client.request('ping', {});
    await world.daemon.restart('SIGTERM');
    for (const client of [device, later]) expect(await client.closed).toBe(1012);
    const [back, laterBack] = [await world.connect({ deviceId: 'partly' }), await world.connect({ deviceId: 'acks' })];
    for (const client of [back, laterBack]) await caughtUp(client, sessionId);
    expect(seqs(back.events(sessionId))).toEqual(range(5, head));
    expect(seqs(laterBack.events(sessionId)).filter((seq) => (seq ?? 0) <= head)).toEqual([]);
  });

  test('a cursor given with subscribe says where the connection begins and leaves the durable one', async () => {
    const { sessionId, head } = await sessionWithTurn();
    const device = await world.connect({ deviceId: 'cursor' });
    await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    await caughtUp(device, sessionId);
    const from = device.frames.length;
    const cursors = { [sessionId]: { epoch: epochOf(device), seq: 2 } };
    const again = await device.request('subscribe', { events: ['*'], sessionIds: [sessionId], cursors });
    expect(again.data.sessions).toEqual([{ sessionId, resume: 'replay', from: 2, head }]);
    await device.waitFor('caughtUp', from);
    expect(seqs(device.events(sessionId))).toEqual(range(3, head));
    await device.close();
    const back = await world.connect({ deviceId: 'cursor' });
    expect((await back.waitFor('welcome')).data.resumed).toEqual([{ sessionId, resume: 'replay', from: head, head }]);
  });

  test.each([
    ['epoch', { epoch: 'another', seq: 1 }],
    ['ahead', { epoch: '', seq: 1_000_000 }],
  ])('D3: a cursor that cannot be served (%s) is a reset with a snapshot, not an error', async (reason, cursor) => {
    const { sessionId, head } = await sessionWithTurn();
    const device = await world.connect();
    const { data: history } = await device.request('getMessageHistory', { sessionId });
    const given = { ...cursor, epoch: cursor.epoch || epochOf(device) };
    const answer = await device.request('subscribe', { events: ['*'], cursors: { [sessionId]: given } });
    expect(answer.data.sessions).toContainEqual({ sessionId, resume: 'reset', reason, from: head, head });
    const reset = await device.waitFor('reset');
    expect(reset.data).toMatchObject({
      sessionId,
      head,
      reason,
      snapshot: {
        status: { status: 'idle' },
        messages: history.messages,
        permissions: [],
      },
    });
    const { messages } = reset.data.snapshot as { messages: object[] };
    expect(messages.slice(-2)).toMatchObject([
      { type: 'user' },
      { type: 'assistant', content: [{ type: 'text', text: 'First.' }] },
    ]);
    expect((await caughtUp(device, sessionId)).data.seq).toBe(head);
  });

  test('an ack beyond the head, or for what the device never had, names the bound and moves nothing', async () => {
    const { sessionId, head } = await sessionWithTurn();
    const device = await world.connect();
    const never = await device.request('ack', { sessionId, seq: 1 });
    expect(never.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'sessionId' } });
    await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const beyond = await device.request('ack', { sessionId, seq: head + 1 });
    expect(beyond.data).toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'seq', rule: expect.stringContaining(`${head}`) },
    });
    const nobody = await device.request('ack', { sessionId: 'nobody', seq: 1 });
    expect(nobody.data).toMatchObject({ code: 'SESSION_NOT_FOUND' });
  });

  test('subscribe without sessions means all, also those opened later, from their first event', async () => {
    const device = await world.connect();
    await device.request('subscribe', { events: ['*'] });
    const { sessionId, head } = await sessionWithTurn(world.daemon.project());
    await device.waitFor(({ sessionId: of, seq }) => of === sessionId && seq === head);
    expect(seqs(device.events(sessionId))).toEqual(range(1, head));
  });

  test('a filter passes over other types without holes, and unsubscribe ends the stream', async () => {
    const { sessionId, author } = await sessionWithTurn();
    const device = await world.connect();
    await device.request('subscribe', { events: ['streamComplete'], sessionIds: [sessionId] });
    const live = await device.request('subscribe', {
      events: ['streamComplete', 'humanMessage'],
      sessionIds: [sessionId],
    });
    expect(live.data.sessions).toMatchObject([{ resume: 'live' }]);
    await say(author, sessionId, scenario({ text: 'Filtered.' }));
    await device.waitFor('streamComplete');
    expect(device.events().map(({ type }) => type)).toEqual(['humanMessage', 'streamComplete']);
    await device.request('unsubscribe', { sessionIds: [sessionId] });
    await say(author, sessionId, scenario({ text: 'Unheard.' }));
    await device.request('ping', {});
    expect(device.events()).toHaveLength(2);
  });

  test('D4: a device that arrives in mid-message gets what was said so far, and then the rest', async () => {
    const author = await world.connect();
    const text = 'Said before and after somebody came. '.repeat(10);
    const started = await author.request('streamStart', {
      prompt: scenario({ text, gateAfter: { deltas: 8, gate: 'arrive' } }),
      workingDirectory: await sharedDirectory(),
    });
    const { sessionId } = started.data;
    await author.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 192);
    const late = await world.connect();
    await late.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const soFar = await late.waitFor('streamData');
    expect(soFar.data).toMatchObject({ offset: 0, isComplete: false, content: { text: text.slice(0, 192) } });
    expect(late.frames.indexOf(soFar)).toBeLessThan(late.frames.indexOf(await caughtUp(late, sessionId)));
    world.api.release('arrive');
    const whole = await late.waitFor('assistantMessage');
    expect(whole.data.content).toEqual([{ type: 'text', text }]);
    const joined = late.frames.filter(({ type }) => type === 'streamData').map(({ data }) => data.content.text);
    expect(joined.join('')).toBe(text);
  });

  test('D5: a reader that stalls loses nothing, delays no one, and catches up from the journal', async () => {
    const author = await standIn.connect();
    const { sessionId } = (
      await author.request('streamStart', { prompt: '', workingDirectory: standIn.daemon.project() })
    ).data;
    await author.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    const slow = await standIn.connect({ deviceId: 'slow' });
    await slow.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    slow.pause();
    const text = 'y'.repeat(60_000);
    for (let turn = 0; turn < 12; turn += 1) await say(author, sessionId, `${text}${turn}`);
    const head = author.events().at(-1)?.seq ?? 0;
    slow.resume();
    await slow.waitFor(({ seq }) => seq === head);
    expect(seqs(slow.events())).toEqual(range(seqs(slow.events())[0] ?? 0, head));
    expect(slow.frames.filter(({ type }) => type === 'streamComplete')).toHaveLength(12);
  });

  test('several devices see the same events in the same order', async () => {
    const { sessionId, author, head } = await sessionWithTurn();
    const others = await Promise.all([world.connect(), world.connect(), world.connect()]);
    for (const device of others) await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const end = await say(author, sessionId, scenario({ text: 'To all.' }));
    for (const device of others) {
      await device.waitFor(({ seq }) => seq === end);
      expect(device.events()).toEqual(author.events(sessionId).filter(({ seq }) => (seq ?? 0) > head));
    }
  });
});

const epochOf = (client: WireClient): string => String(client.frames[0]?.data.epoch);
