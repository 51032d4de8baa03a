import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CursorStore } from '../../client/index.js';
import type { RoughConnection } from './support/rough-server.js';
import { createRoughStage, replay, settled } from './support/rough-stage.js';
import { until } from './support/until.js';

const stage = createRoughStage();

describe('events', () => {
  test('are handed over with their place, their time and whether they were missed', async () => {
    const { first, told, handed: some } = await stage.subscribe();
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
    const { first, seqs, handed: some } = await stage.subscribe();
    for (const seq of [1, 2, 2, 1, 3, 3, 2, 4]) first.event(seq);
    await some(4);
    expect(seqs()).toEqual([1, 2, 3, 4]);
  });

  test('of several sessions do not disturb each other', async () => {
    const { first, told, handed: some } = await stage.subscribe();
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
    const staged = await stage.subscribe();
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
    const { first, seqs, told, handed: some } = await stage.subscribe();
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
    const { first, seqs, told, handed: some } = await stage.subscribe();
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
    const staged = await stage.subscribe({}, ['streamComplete']);
    staged.first.event(3);
    staged.first.event(9);
    staged.first.caughtUp(12);
    await staged.handed(2);
    await settled(staged, staged.first);
    expect(staged.told.caughtUp).toEqual([{ sessionId: 's', seq: 12 }]);
    expect(staged.first.received.filter(({ type }) => type === 'subscribe')).toEqual([]);
  });

  test('may skip seqs as soon as a narrower filter is asked for', async () => {
    const staged = await stage.subscribe();
    const { client, first, seqs } = staged;
    first.event(1);
    const narrower = client.subscribe({ events: ['streamComplete'], sessionIds: ['s'] });
    const request = await first.take('subscribe');
    first.event(4);
    first.subscribed(request, [{ sessionId: 's', resume: 'live', from: 5, head: 5 }]);
    await narrower;
    first.event(9);
    await staged.handed(3);
    expect(seqs()).toEqual([1, 4, 9]);
    expect(first.received.filter(({ type }) => type === 'subscribe')).toEqual([]);
  });

  test('that the filter left out are not missing once it is wider', async () => {
    const staged = await stage.subscribe({}, ['streamComplete']);
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
    const saved: number[] = [];
    const save = async (_sessionId: string, { seq }: { seq: number }) => void saved.push(seq);
    const store: CursorStore = { load: async () => new Map(), save };
    const { client, first, seqs, handed: some } = await stage.subscribe({ cursorStore: store });
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
    expect(saved).toEqual([1, 2]);
  });

  test('that come before the welcome mean nothing', async () => {
    const server = await stage.server();
    const staged = stage.client(server);
    const first = await server.connection(1);
    first.event(1);
    first.welcome();
    first.event(5);
    await staged.handed(1);
    expect(staged.seqs()).toEqual([5]);
  });

  test('D3: a filter that was refused changes nothing: a hole is still asked for', async () => {
    const { client, first } = await stage.subscribe();
    const refused = client.subscribe({ events: ['streamComplete'], sessionIds: ['gone'] });
    first.answer(await first.take('subscribe'), 'error', { code: 'SESSION_NOT_FOUND', message: 'No such.' });
    await expect(refused).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    first.event(1);
    first.event(3);
    expect((await first.take('subscribe')).data.cursors).toEqual({ s: { epoch: 'e1', seq: 1 } });
  });

  test('D3: once and in order through any mixture of repetitions, holes and broken connections', async () => {
    const acts = fc.constantFrom('next', 'next', 'next', 'again', 'hole', 'break');
    await fc.assert(
      fc.asyncProperty(fc.array(acts, { maxLength: 30 }), async (script) => {
        const staged = await stage.connect();
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

describe('a session that starts over', () => {
  test('D3: a reset is handed over with its snapshot, and events go on behind it', async () => {
    const { first, told, seqs, handed: some } = await stage.subscribe();
    first.event(1);
    first.reset({ head: 40 });
    for (const seq of [39, 40, 41, 42]) first.event(seq);
    await some(3);
    expect(seqs()).toEqual([1, 41, 42]);
    expect(told.resets).toMatchObject([{ sessionId: 's', head: 40, snapshot: { status: { status: 'idle' } } }]);
  });

  test('D3: another epoch without a reset is not believed: the cursor is put to the daemon', async () => {
    const { first, seqs, told, handed: some } = await stage.subscribe();
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
