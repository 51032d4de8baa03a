import { describe, expect, test } from '@jest/globals';
import type { CursorStore } from '../../client/index.js';
import { createRoughStage, replay } from './support/rough-stage.js';
import { until } from './support/until.js';

const stage = createRoughStage();

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
    const { first } = await stage.subscribe({ cursorStore: store });
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

  test('D2: what the filter left out is acknowledged with caughtUp', async () => {
    const { first } = await stage.subscribe({}, ['streamComplete']);
    first.caughtUp(12);
    expect((await first.take('ack')).data).toEqual({ sessionId: 's', seq: 12 });
  });

  test('D2: what could not be saved is not acknowledged', async () => {
    const store: CursorStore = { load: async () => new Map(), save: () => Promise.reject(new Error('disk full')) };
    const { client, first, told } = await stage.subscribe({ cursorStore: store });
    first.event(1);
    await until('the fault is told', () => told.faults.length > 0);
    expect(told.faults).toMatchObject([{ kind: 'store', error: { message: 'disk full' } }]);
    await client.close();
    expect(first.received.filter(isAck)).toEqual([]);
  });

  test('a session that was unsubscribed while its cursor was saved is not acknowledged', async () => {
    const saves: (() => void)[] = [];
    const store: CursorStore = {
      load: async () => new Map(),
      save: () => new Promise((resolve) => saves.push(resolve)),
    };
    const { client, first } = await stage.subscribe({ cursorStore: store });
    first.event(1);
    await until('the event is being saved', () => saves.length === 1);
    const left = client.unsubscribe({ sessionIds: ['s'] });
    first.answer(await first.take('unsubscribe'), 'unsubscribed', { sessionIds: ['s'] });
    await left;
    for (const save of saves) save();
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
    await staged.handed(1);
    expect(staged.told.faults).toMatchObject([{ kind: 'store' }]);
  });

  test('D2: a cursor that was saved too late for its epoch is not acknowledged in the next one', async () => {
    const saves: (() => void)[] = [];
    const store: CursorStore = {
      load: async () => new Map(),
      save: () => new Promise((resolve) => saves.push(resolve)),
    };
    const { server, client, first, told } = await stage.subscribe({ cursorStore: store });
    first.event(1);
    await until('the event is being saved', () => saves.length === 1);
    first.break();
    const second = await server.connection(2);
    second.welcome({ epoch: 'e2', resumed: [{ sessionId: 's', resume: 'reset', reason: 'epoch', from: 0, head: 0 }] });
    second.reset({ head: 0, epoch: 'e2' });
    await until('the reset is being saved', () => told.resets.length === 1 && saves.length === 2);
    for (const save of saves) save();
    await client.close();
    expect(second.received.filter(isAck).map(({ data }) => data)).toEqual([{ sessionId: 's', seq: 0 }]);
  });

  test('manual: nothing is acknowledged before it is said to be done with', async () => {
    const { client, first, handed: some } = await stage.subscribe({ acknowledge: 'manual' });
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
    const { server, client, first, seqs, handed: some } = await stage.subscribe({ acknowledge: 'manual' });
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
