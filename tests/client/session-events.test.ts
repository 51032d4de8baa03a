import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CursorStore, createMemoryCursorStore } from '../../client/index.js';
import type { ResumedSession } from '../../protocol/server-frames.js';
import type { RoughConnection } from './support/rough-server.js';
import { createRoughStage } from './support/rough-stage.js';
import { until } from './support/until.js';

const stage = createRoughStage();

const replay = (from: number, head = from, sessionId = 's'): ResumedSession => ({
  sessionId,
  resume: 'replay',
  from,
  head,
});

async function connect(options: Parameters<typeof stage.client>[1] = {}) {
  const server = await stage.server();
  const staged = stage.client(server, options);
  const first = await server.connection(1);
  first.welcome();
  return { server, first, ...staged, handed: (count: number) => handed(staged, count) };
}

type Staged = ReturnType<typeof stage.client>;

const handed = ({ told }: Staged, count: number) =>
  until(`${count} events were handed over`, () => told.events.length >= count);

/** Subscribed to everything of session `s` from an empty beginning. */
async function subscribe(options: Parameters<typeof stage.client>[1] = {}, events = ['*']) {
  const staged = await connect(options);
  const request = staged.client.subscribe({ events, sessionIds: ['s'] });
  staged.first.subscribed(await staged.first.take('subscribe'), [replay(0)]);
  await request;
  return staged;
}

/** A sign that everything sent before it was received. */
async function settled({ client }: Staged, connection: RoughConnection): Promise<void> {
  const ping = client.ping();
  connection.answer(await connection.take('ping'), 'pong', { serverTime: '2025-01-01T00:00:00.000Z' });
  await ping;
}

const storeWith = async (seq: number, epoch = 'e1'): Promise<CursorStore> => {
  const store = createMemoryCursorStore();
  await store.save('s', { epoch, seq });
  return store;
};

describe('events', () => {
  test('are handed over with their place, their time and whether they were missed', async () => {
    const { first, told, handed: some } = await subscribe();
    first.event(1, { replayed: true });
    first.event(2);
    await some(2);
    expect(told.events).toMatchObject([
      { type: 'streamComplete', sessionId: 's', seq: 1, epoch: 'e1', replayed: true },
      { type: 'streamComplete', seq: 2, replayed: false, data: { finalResult: 'result 2' } },
    ]);
    expect(new Date(told.events[0]?.at ?? '').getTime()).toBeGreaterThan(0);
  });

  test('D3: come once and in order, whatever is repeated', async () => {
    const { first, seqs, handed: some } = await subscribe();
    for (const seq of [1, 2, 2, 1, 3, 3, 2, 4]) first.event(seq);
    await some(4);
    expect(seqs()).toEqual([1, 2, 3, 4]);
  });

  test('of several sessions do not disturb each other', async () => {
    const { first, told, handed: some } = await subscribe();
    first.event(1);
    first.event(7, { sessionId: 't' });
    first.event(2);
    first.event(8, { sessionId: 't' });
    first.event(7, { sessionId: 't' });
    first.event(3);
    await some(5);
    expect(told.events.map(({ sessionId, seq }) => `${sessionId}${seq}`)).toEqual(['s1', 't7', 's2', 't8', 's3']);
  });

  test('D3: a hole is asked for, and nothing behind it is handed over before', async () => {
    const staged = await subscribe();
    const { first, seqs, handed: some } = staged;
    for (const seq of [1, 2, 5, 6]) first.event(seq);
    const request = await first.take('subscribe');
    expect(request.data).toEqual({ events: ['*'], sessionIds: ['s'], cursors: { s: { epoch: 'e1', seq: 2 } } });
    first.event(7);
    await settled(staged, first);
    expect(seqs()).toEqual([1, 2]);
    first.subscribed(request, [replay(2, 7)]);
    for (const seq of [3, 4, 5, 6, 7]) first.event(seq, { replayed: true });
    first.caughtUp(7);
    first.event(8);
    await some(8);
    expect(seqs()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(staged.told.faults).toEqual([]);
  });

  test('D3: a hole at the end of what was missed is noticed at caughtUp', async () => {
    const { first, seqs, told, handed: some } = await subscribe();
    first.event(1);
    first.caughtUp(3);
    const request = await first.take('subscribe');
    first.subscribed(request, [replay(1, 3)]);
    first.event(2);
    first.event(3);
    first.caughtUp(3);
    await some(3);
    await until('it has caught up', () => told.caughtUp.length === 1);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  test('D3: a hole that cannot be filled is told of, once', async () => {
    const { first, seqs, told, handed: some } = await subscribe();
    first.event(1);
    first.event(4);
    first.subscribed(await first.take('subscribe'), [replay(1, 4)]);
    first.event(4);
    first.event(5);
    await some(3);
    expect(seqs()).toEqual([1, 4, 5]);
    expect(told.faults).toEqual([{ kind: 'gap', sessionId: 's', from: 1, to: 4 }]);
  });

  test('may skip seqs when the filter leaves types out', async () => {
    const staged = await subscribe({}, ['streamComplete']);
    staged.first.event(3);
    staged.first.event(9);
    staged.first.caughtUp(12);
    await staged.handed(2);
    await settled(staged, staged.first);
    expect(staged.told.caughtUp).toEqual([{ sessionId: 's', seq: 12 }]);
    expect(staged.first.received.filter(({ type }) => type === 'subscribe')).toEqual([]);
  });

  test('that the filter left out are not missing once it is wider', async () => {
    const staged = await subscribe({}, ['streamComplete']);
    const { client, first, seqs } = staged;
    first.event(1);
    const wider = client.subscribe({ events: ['*'], sessionIds: ['s'] });
    first.subscribed(await first.take('subscribe'), [{ sessionId: 's', resume: 'live', from: 5, head: 5 }]);
    await wider;
    first.event(6);
    await staged.handed(2);
    expect(seqs()).toEqual([1, 6]);
    first.event(8);
    expect((await first.take('subscribe')).data.cursors).toEqual({ s: { epoch: 'e1', seq: 6 } });
  });

  test('come from where the caller says, also when that is further back', async () => {
    const { client, first, seqs, handed: some } = await subscribe();
    first.event(1);
    first.event(2);
    await some(2);
    const again = client.subscribe({ events: ['*'], cursors: { s: { epoch: 'e1', seq: 0 } } });
    first.subscribed(await first.take('subscribe'), [replay(0, 2)]);
    await again;
    first.event(1);
    first.event(2);
    await some(4);
    expect(seqs()).toEqual([1, 2, 1, 2]);
  });

  test('D3: once and in order through any mixture of repetitions, holes and broken connections', async () => {
    const acts = fc.constantFrom('next', 'next', 'next', 'again', 'hole', 'break');
    await fc.assert(
      fc.asyncProperty(fc.array(acts, { maxLength: 30 }), async (script) => {
        const staged = await connect();
        const { server, client, seqs } = staged;
        const daemon = playDaemon(staged.first);
        const request = client.subscribe({ events: ['*'], sessionIds: ['s'] });
        await daemon.answerSubscribe();
        await request;
        let connection = 1;
        for (const act of script) {
          if (act !== 'break') daemon.act(act);
          else {
            daemon.current.break();
            connection += 1;
            daemon.welcome(await server.connection(connection));
          }
        }
        daemon.act('next');
        await until('everything was handed over', () => {
          daemon.serve();
          return seqs().length >= daemon.head();
        });
        expect(seqs()).toEqual(Array.from({ length: daemon.head() }, (_, index) => index + 1));
        await Promise.all([client.close(), server.close()]);
      }),
      { numRuns: 40 },
    );
  });
});

/** A daemon with one session `s` that answers subscriptions rightly, and otherwise sends what it is told to. */
function playDaemon(first: RoughConnection) {
  let current = first;
  let head = 0;
  const sendFrom = (after: number) => {
    for (let seq = after + 1; seq <= head; seq += 1) current.event(seq, { replayed: true });
    current.caughtUp(head);
  };
  const serve = () => {
    const index = current.received.findIndex(({ type }) => type === 'subscribe');
    const [request] = index < 0 ? [] : current.received.splice(index, 1);
    if (!request) return false;
    const { cursors } = request.data as { cursors?: { s?: { seq: number } } };
    const from = cursors?.s?.seq ?? head;
    current.subscribed(request as never, [replay(from, head)]);
    sendFrom(from);
    return true;
  };
  return {
    get current() {
      return current;
    },
    head: () => head,
    serve,
    answerSubscribe: () => until('a subscription came', serve),
    welcome: (connection: RoughConnection) => {
      current = connection;
      current.welcome({ resumed: [replay(0, head)] });
      sendFrom(0);
    },
    act: (act: 'next' | 'again' | 'hole') => {
      if (act === 'again') current.event(Math.max(1, head));
      else {
        head += act === 'hole' ? 2 : 1;
        current.event(head);
      }
      head = Math.max(1, head);
      serve();
    },
  };
}

describe('a session that begins anew', () => {
  test('D3: a reset is handed over with its snapshot, and events go on behind it', async () => {
    const { first, told, seqs, handed: some } = await subscribe();
    first.event(1);
    first.reset({ head: 40 });
    for (const seq of [39, 40, 41, 42]) first.event(seq);
    await some(3);
    expect(seqs()).toEqual([1, 41, 42]);
    expect(told.resets).toMatchObject([{ sessionId: 's', head: 40, snapshot: { status: { status: 'idle' } } }]);
  });

  test('D3: another epoch without a reset is not believed: the cursor is put to the daemon', async () => {
    const { first, seqs, told, handed: some } = await subscribe();
    first.event(1);
    first.event(2, { epoch: 'e2' });
    const request = await first.take('subscribe');
    expect(request.data.cursors).toEqual({ s: { epoch: 'e1', seq: 1 } });
    first.subscribed(request, [{ sessionId: 's', resume: 'reset', reason: 'epoch', from: 5, head: 5 }]);
    first.reset({ head: 5, epoch: 'e2' });
    first.event(6, { epoch: 'e2' });
    await some(2);
    expect(seqs()).toEqual([1, 6]);
    expect(told.resets).toHaveLength(1);
  });
});

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
    return { ...staged, first, handed: (count: number) => handed(staged, count) };
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

  test('D3: a session that the daemon has forgotten is subscribed again from the cursor', async () => {
    const { server, first, seqs, handed: some } = await subscribe();
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
    const { server, client, told, first } = await subscribe();
    first.break();
    const second = await server.connection(2);
    second.welcome();
    const request = await second.take('subscribe');
    second.answer(request, 'error', { code: 'SESSION_NOT_FOUND', message: 'Gone.' });
    await settled({ client, told, seqs: () => [] }, second);
    second.break();
    const third = await server.connection(3);
    third.welcome();
    await settled({ client, told, seqs: () => [] }, third);
    expect(third.received).toEqual([]);
    expect(told.faults).toEqual([]);
  });

  test('the wish for all sessions is said again', async () => {
    const { server, client, first } = await connect();
    const request = client.subscribe({ events: ['streamComplete'] });
    first.subscribed(await first.take('subscribe'), []);
    await request;
    first.break();
    const second = await server.connection(2);
    second.welcome();
    expect((await second.take('subscribe')).data).toEqual({ events: ['streamComplete'] });
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
    const { client, first, seqs, handed: some } = await subscribe();
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

describe('acknowledging', () => {
  const isAck = ({ type }: { type: string }) => type === 'ack';

  test('D2: what was handed over is saved, then acknowledged with few frames', async () => {
    const saved: number[] = [];
    const store: CursorStore = {
      load: async () => new Map(),
      save: async (_sessionId, { seq }) => {
        saved.push(seq);
      },
    };
    const { first } = await subscribe({ cursorStore: store });
    for (let seq = 1; seq <= 120; seq += 1) first.event(seq);
    const acked: number[] = [];
    while (acked.at(-1) !== 120) {
      const { data } = await first.take('ack');
      expect(saved).toContain(data.seq);
      acked.push(data.seq);
    }
    expect(acked.length).toBeLessThanOrEqual(6);
    expect(acked).toEqual([...acked].sort((one, other) => one - other));
  });

  test('D2: what could not be saved is not acknowledged', async () => {
    const store: CursorStore = { load: async () => new Map(), save: () => Promise.reject(new Error('disk full')) };
    const { client, first, told } = await subscribe({ cursorStore: store });
    first.event(1);
    await until('the fault is told', () => told.faults.length > 0);
    expect(told.faults).toMatchObject([{ kind: 'store', error: { message: 'disk full' } }]);
    await client.close();
    expect(first.received.filter(isAck)).toEqual([]);
  });

  test('a store that cannot be read is told of, and the daemon’s cursor is used', async () => {
    const store: CursorStore = { load: () => Promise.reject(new Error('damaged')), save: async () => undefined };
    const server = await stage.server();
    const staged = stage.client(server, { cursorStore: store });
    const first = await server.connection(1);
    first.welcome({ resumed: [replay(7, 8)] });
    first.event(8);
    await handed(staged, 1);
    expect(staged.told.faults).toMatchObject([{ kind: 'store' }]);
  });

  test('manual: nothing is acknowledged before it is said to be done with', async () => {
    const { client, first, handed: some } = await subscribe({ acknowledge: 'manual' });
    for (const seq of [1, 2, 3]) first.event(seq);
    first.caughtUp(3);
    await some(3);
    client.acknowledge('s', 2);
    expect((await first.take('ack')).data).toEqual({ sessionId: 's', seq: 2 });
    expect(() => client.acknowledge('s', 4)).toThrow('seq: must be at most 3');
    expect(() => client.acknowledge('t', 1)).toThrow('sessionId');
    await client.close();
    expect(first.received.filter(isAck)).toEqual([]);
  });

  test('manual: after a broken connection nothing is handed over twice', async () => {
    const { server, client, first, seqs, handed: some } = await subscribe({ acknowledge: 'manual' });
    for (const seq of [1, 2, 3]) first.event(seq);
    await some(3);
    client.acknowledge('s', 1);
    await first.take('ack');
    first.break();
    const second = await server.connection(2);
    second.welcome({ resumed: [replay(1, 4)] });
    for (const seq of [2, 3, 4]) second.event(seq);
    const request = await second.take('subscribe');
    second.subscribed(request, [replay(3, 4)]);
    second.event(4);
    await some(4);
    expect(seqs()).toEqual([1, 2, 3, 4]);
  });
});

describe('frames that make no sense', () => {
  test('a malformed event is told of and stepped over', async () => {
    const { first, seqs, told, handed: some } = await subscribe();
    first.event(1);
    first.event(2, { data: { sessionId: 's' } });
    first.event(3);
    await some(2);
    expect(seqs()).toEqual([1, 3]);
    expect(told.faults).toMatchObject([{ kind: 'malformed', error: { frameType: 'streamComplete' } }]);
  });

  test('an event of a type from the future is stepped over in silence', async () => {
    const { first, seqs, told, handed: some } = await subscribe();
    first.event(1);
    first.event(2, { type: 'telepathy' as never, data: {} });
    first.event(3);
    await some(2);
    expect(seqs()).toEqual([1, 3]);
    expect(told.faults).toEqual([]);
  });

  test('what cannot be read is told of, and the connection stays', async () => {
    const staged = await subscribe();
    const { first, told } = staged;
    first.raw('{"type": "streamData", "requestId"');
    first.raw('null');
    first.frame('caughtUp', { sessionId: 's' });
    first.frame('streamData', { sessionId: 's' });
    first.frame('error', { code: 'NO_SUCH_CODE', message: '' });
    first.raw(JSON.stringify({ type: 'reset', seq: 'x' }));
    first.frame('streamComplete', {}, { seq: 1 });
    first.frame('telepathy', { thoughts: [] });
    first.raw(JSON.stringify({ type: 'telepathy' }));
    await settled(staged, first);
    expect(told.faults.map((fault) => fault.kind === 'malformed' && fault.error.frameType)).toEqual([
      undefined,
      undefined,
      'caughtUp',
      'streamData',
      'error',
      'reset',
      'streamComplete',
    ]);
    expect(staged.client.state.kind).toBe('open');
  });

  test('an error that answers nothing is told of', async () => {
    const { first, told } = await connect();
    first.frame('error', { code: 'INVALID_REQUEST', message: 'seq: must be at most 3' });
    await until('it is told', () => told.faults.length === 1);
    expect(told.faults).toMatchObject([{ kind: 'server', error: { code: 'INVALID_REQUEST' } }]);
  });
});

describe('listeners', () => {
  test('one that throws keeps nothing from the others', async () => {
    const { client, first, seqs, told, handed: some } = await subscribe();
    client.on('event', () => {
      throw new Error('my bug');
    });
    first.event(1);
    first.event(2);
    await some(2);
    expect(seqs()).toEqual([1, 2]);
    expect(told.faults).toMatchObject([{ kind: 'listener', listener: 'event', error: { message: 'my bug' } }, {}]);
  });

  test('one that was detached hears nothing more', async () => {
    const { client, first, handed: some } = await subscribe();
    const heard: number[] = [];
    const detach = client.on('event', ({ seq }) => {
      heard.push(seq);
      detach();
    });
    first.event(1);
    first.event(2);
    await some(2);
    expect(heard).toEqual([1]);
  });

  test('hear of positioned frames, and of open permission requests that come again', async () => {
    const { first, told } = await connect();
    const streamed = {
      sessionId: 's',
      streamType: 'thinking',
      content: { type: 'text', text: 'hm' },
      messageId: 'm',
      blockIndex: 0,
      offset: 0,
      isComplete: false,
    };
    const asked = {
      permissionId: 'p',
      sessionId: 's',
      kind: 'tool',
      toolName: 'Bash',
      toolInput: {},
      prompt: 'Allow Bash?',
      options: ['allow', 'deny'],
      default: 'deny',
      defaultOption: 'deny',
      timeout: 0,
    };
    first.frame('streamData', streamed);
    first.frame('permissionRequest', asked);
    await until('both are there', () => told.frames.length === 2);
    expect(told.frames).toEqual([
      { type: 'streamData', data: streamed },
      { type: 'permissionRequest', data: asked },
    ]);
  });
});
