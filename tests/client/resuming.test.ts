import { describe, expect, test } from '@jest/globals';
import { type CursorStore, createMemoryCursorStore } from '../../client/index.js';
import type { ResumedSession } from '../../protocol/server-frames.js';
import { createRoughStage, replay, settled } from './support/rough-stage.js';
import { until } from './support/until.js';

const stage = createRoughStage();

const storeWith = async (seq: number, epoch = 'e1'): Promise<CursorStore> => {
  const store = createMemoryCursorStore();
  await store.save('s', { epoch, seq });
  return store;
};

describe('after a new connection', () => {
  const reconnect = async (
    options: { seq?: number; resumed?: ResumedSession[]; epoch?: string; storeEpoch?: string } = {},
  ) => {
    const { seq = 10, resumed = [], epoch = 'e1', storeEpoch = 'e1' } = options;
    const server = await stage.server();
    const staged = stage.client(server, { cursorStore: await storeWith(seq, storeEpoch) });
    const first = await server.connection(1);
    first.welcome({ epoch, resumed });
    await until('the client is open', () => staged.client.state.kind === 'open');
    return { ...staged, first };
  };

  test('D3: nothing is asked for when the daemon goes on where this client stands', async () => {
    const { first, seqs, handed: some } = await reconnect({ resumed: [replay(10, 12)] });
    first.event(11);
    first.event(12);
    await some(2);
    expect(seqs()).toEqual([11, 12]);
    expect(first.received.filter(({ type }) => type === 'subscribe')).toEqual([]);
  });

  test('D2: a daemon that knows less is told the cursor, and acknowledged again', async () => {
    const { first, seqs, handed: some } = await reconnect({ resumed: [replay(4, 11)] });
    for (const seq of [5, 6]) first.event(seq);
    const request = await first.take('subscribe');
    expect(request.data).toEqual({ events: ['*'], sessionIds: ['s'], cursors: { s: { epoch: 'e1', seq: 10 } } });
    expect((await first.take('ack')).data).toEqual({ sessionId: 's', seq: 10 });
    first.subscribed(request, [replay(10, 11)]);
    first.event(11);
    await some(1);
    expect(seqs()).toEqual([11]);
  });

  test('D3: a daemon that believes to be further is told the cursor, and brings what was lost', async () => {
    const { first, seqs, handed: some } = await reconnect({ resumed: [replay(12, 13)] });
    first.event(13);
    const request = await first.take('subscribe');
    first.subscribed(request, [replay(10, 13)]);
    for (const seq of [11, 12, 13]) first.event(seq);
    await some(3);
    expect(seqs()).toEqual([11, 12, 13]);
  });

  test('D3: a reset is not taken when the own cursor is still good', async () => {
    const resumed: ResumedSession[] = [{ sessionId: 's', resume: 'reset', reason: 'retention', from: 12, head: 12 }];
    const { first, told, seqs, handed: some } = await reconnect({ resumed });
    first.reset({ head: 12 });
    const request = await first.take('subscribe');
    first.subscribed(request, [replay(10, 12)]);
    first.event(11);
    first.event(12);
    await some(2);
    expect(told.resets).toEqual([]);
    expect(seqs()).toEqual([11, 12]);
  });

  test('a reset is taken when the own cursor is of another epoch', async () => {
    const resumed: ResumedSession[] = [{ sessionId: 's', resume: 'reset', reason: 'epoch', from: 3, head: 3 }];
    const { first, told, seqs, handed: some } = await reconnect({ resumed, epoch: 'e2' });
    first.reset({ head: 3, epoch: 'e2' });
    first.event(4, { epoch: 'e2' });
    await some(1);
    expect(told.resets).toHaveLength(1);
    expect(seqs()).toEqual([4]);
    expect(first.received.filter(({ type }) => type === 'subscribe')).toEqual([]);
  });

  test('D3: a cursor of another epoch is put to the daemon, even when it names the same seq', async () => {
    const { first, told } = await reconnect({ resumed: [replay(10)], epoch: 'e2' });
    const request = await first.take('subscribe');
    expect(request.data.cursors).toEqual({ s: { epoch: 'e1', seq: 10 } });
    first.subscribed(request, [{ sessionId: 's', resume: 'reset', reason: 'epoch', from: 10, head: 10 }]);
    first.reset({ head: 10, epoch: 'e2' });
    await until('it starts over', () => told.resets.length === 1);
  });

  test('D3: a hole that the last connection did not fill is asked for again', async () => {
    const { server, first, seqs, told, handed: some } = await stage.subscribe();
    first.event(1);
    first.event(4);
    await first.take('subscribe');
    first.break();
    const second = await server.connection(2);
    second.welcome({ resumed: [replay(1, 4)] });
    second.event(3);
    const request = await second.take('subscribe');
    second.subscribed(request, [replay(1, 4)]);
    for (const seq of [2, 3, 4]) second.event(seq);
    await some(4);
    expect(seqs()).toEqual([1, 2, 3, 4]);
    expect(told.faults).toEqual([]);
  });

  test('D3: a session that the daemon has forgotten is subscribed again from the cursor', async () => {
    const { server, first, seqs, handed: some } = await stage.subscribe();
    first.event(1);
    first.event(2);
    await some(2);
    first.break();
    const second = await server.connection(2);
    second.welcome({ resumed: [] });
    const request = await second.take('subscribe');
    expect(request.data).toEqual({ events: ['*'], sessionIds: ['s'], cursors: { s: { epoch: 'e1', seq: 2 } } });
    second.subscribed(request, [replay(2, 3)]);
    second.event(3);
    await some(3);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  test('a session that is gone is not asked for a second time', async () => {
    const { server, client, told, first } = await stage.subscribe();
    first.break();
    const second = await server.connection(2);
    second.welcome();
    const request = await second.take('subscribe');
    second.answer(request, 'error', { code: 'SESSION_NOT_FOUND', message: 'Gone.' });
    await settled({ client }, second);
    second.break();
    const third = await server.connection(3);
    third.welcome();
    await settled({ client }, third);
    expect(third.received).toEqual([]);
    expect(told.faults).toEqual([]);
  });

  test('the wish for all sessions is said again', async () => {
    const { server, client, first } = await stage.connect();
    const request = client.subscribe({ events: ['streamComplete'] });
    first.subscribed(await first.take('subscribe'), []);
    await request;
    first.break();
    const second = await server.connection(2);
    second.welcome();
    expect((await second.take('subscribe')).data).toEqual({ events: ['streamComplete'] });
  });

  test('D3: a subscription that begins elsewhere than this client stands is set right', async () => {
    const { client, first, seqs, handed: some } = await reconnect({ seq: 3 });
    const request = client.subscribe({ events: ['*'], sessionIds: ['s'] });
    first.subscribed(await first.take('subscribe'), [replay(5)]);
    await request;
    const again = await first.take('subscribe');
    expect(again.data.cursors).toEqual({ s: { epoch: 'e1', seq: 3 } });
    first.subscribed(again, [replay(3, 5)]);
    for (const seq of [4, 5]) first.event(seq);
    await some(2);
    expect(seqs()).toEqual([4, 5]);
  });

  test('a second welcome on the same connection means nothing', async () => {
    const staged = await stage.subscribe();
    const { first, told } = staged;
    first.welcome({ epoch: 'e2' });
    first.event(1);
    await staged.handed(1);
    expect(told.states.filter(({ kind }) => kind === 'open')).toHaveLength(1);
    expect(first.received.filter(({ type }) => type === 'subscribe')).toEqual([]);
  });

  test('D3: a session joined by use alone begins where this client left it', async () => {
    const { client, first, seqs, handed: some } = await reconnect({ seq: 3 });
    const start = client.streamStart({ prompt: 'hi' });
    const sent = await first.take('streamStart');
    first.answer(sent, 'streamStarted', { sessionId: 's', workingDirectory: '/w', reused: true, promptId: 'p' });
    await start;
    first.caughtUp(5);
    first.event(6);
    const request = await first.take('subscribe');
    expect(request.data.cursors).toEqual({ s: { epoch: 'e1', seq: 3 } });
    first.subscribed(request, [replay(3, 6)]);
    for (const seq of [4, 5, 6]) first.event(seq);
    await some(3);
    expect(seqs()).toEqual([4, 5, 6]);
  });

  test('a session that was unsubscribed begins at its head when it is subscribed again', async () => {
    const { client, first, seqs, handed: some } = await stage.subscribe();
    first.event(1);
    await some(1);
    const left = client.unsubscribe({ sessionIds: ['s'] });
    first.answer(await first.take('unsubscribe'), 'unsubscribed', { sessionIds: ['s'] });
    await left;
    const again = client.subscribe({ events: ['*'], sessionIds: ['s'] });
    first.subscribed(await first.take('subscribe'), [replay(20)]);
    await again;
    first.event(21);
    await some(2);
    expect(seqs()).toEqual([1, 21]);
  });
});

describe('after a cut in the middle of a text', () => {
  const text = (offset: number, said: string, around: object = {}) => ({
    sessionId: 's',
    streamType: 'assistant_message',
    content: { type: 'text', text: said },
    messageId: 'm',
    blockIndex: 0,
    offset,
    isComplete: false,
    ...around,
  });
  /** What the client asks for when it is back after these frames; undefined when it asks for nothing. */
  const askedAfter = async (...frames: object[]) => {
    const staged = await stage.subscribe();
    const { server, first, told } = staged;
    first.event(1);
    for (const data of frames) first.frame('streamData', data);
    await until('all frames came', () => told.frames.length === frames.length);
    first.break();
    const second = await server.connection(2);
    second.welcome({ resumed: [replay(1)] });
    await settled(staged, second);
    return { ...staged, second, asked: second.received.find(({ type }) => type === 'subscribe')?.data };
  };

  test('D4: the position is named, so that the text goes on from there', async () => {
    const { asked } = await askedAfter(text(0, 'Half '), text(5, 'of it'));
    const open = { messageId: 'm', blockIndex: 0, offset: 10 };
    expect(asked).toEqual({ events: ['*'], sessionIds: ['s'], cursors: { s: { epoch: 'e1', seq: 1, open } } });
  });

  test('D4: what came behind a hole is not counted', async () => {
    const { asked } = await askedAfter(text(0, 'Half '), text(7, 'lost'));
    expect(asked).toMatchObject({ cursors: { s: { open: { offset: 5 } } } });
  });

  test('D4: text that starts over is counted from zero', async () => {
    const { asked } = await askedAfter(text(0, 'Half '), text(5, 'of it'), text(0, 'Ha'));
    expect(asked).toMatchObject({ cursors: { s: { open: { offset: 2 } } } });
  });

  test('D4: of several blocks all are named', async () => {
    const beside = text(0, 'A longer one beside it', { messageId: 'n', parentToolUseId: 't' });
    const { asked } = await askedAfter(text(0, 'Half '), beside);
    expect(asked).toMatchObject({
      cursors: {
        s: {
          open: { messageId: 'n', blockIndex: 0, offset: 22 },
          alsoOpen: [{ messageId: 'm', blockIndex: 0, offset: 5 }],
        },
      },
    });
  });

  test('nothing is asked for when the text had ended', async () => {
    const { asked } = await askedAfter(text(0, 'All'), text(3, '', { isComplete: true }));
    expect(asked).toBeUndefined();
  });

  test('the position is not saved: the text itself does not outlive the process', async () => {
    const cursorStore = createMemoryCursorStore();
    const { first, told, handed: some } = await stage.subscribe({ cursorStore });
    first.frame('streamData', text(0, 'Half '));
    await until('it came', () => told.frames.length === 1);
    first.event(1);
    await some(1);
    await first.take('ack');
    expect(Object.fromEntries(await cursorStore.load())).toEqual({ s: { epoch: 'e1', seq: 1 } });
  });
});
