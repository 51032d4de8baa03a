/** Which sessions may have a child, and in which order the others get one: the queue alone, without sessions. */
import { describe, expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import { ChildSlots, type SlotHolder } from '../../services/sessions/child/child-slots.js';
import type { QueuePosition } from '../../services/sessions/machine/session-state.js';

interface Told {
  slots: ChildSlots;
  holders: Map<string, SlotHolder>;
  /** Sessions that got a slot, in order. */
  taken: string[];
  /** The last position that each session was told. */
  told: Map<string, QueuePosition>;
  /** How often each session was told its position. */
  times: Map<string, number>;
  /** Sessions that were asked to hibernate, in order. */
  asked: string[];
  take(...ids: string[]): void;
  takeSince(id: string, since: number): void;
  leave(id: string): void;
  /** The session has been idle for `idleMs`. */
  rest(id: string, idleMs: number, isRefusing?: boolean): void;
  /** The session has been working for `turnMs`. */
  work(id: string, turnMs: number): void;
}

const idOf = (id: string) => id as SessionId;

function setUp(max: number): Told {
  const holders = new Map<string, SlotHolder>();
  const world: Omit<Told, 'slots'> = {
    holders,
    taken: [],
    told: new Map(),
    times: new Map(),
    asked: [],
    take: (...ids) => {
      for (const id of ids) world.takeSince(id, 0);
    },
    takeSince: (id, since) => {
      // A session that waits is about to have a child: it is among the holders as well.
      holder(id, {});
      slots.take({
        id: idOf(id),
        since,
        onTaken: () => world.taken.push(id),
        onQueued: (place) => {
          world.told.set(id, place);
          world.times.set(id, (world.times.get(id) ?? 0) + 1);
        },
      });
    },
    leave: (id) => {
      holders.delete(id);
      slots.leave(idOf(id));
    },
    rest: (id, idleMs, isRefusing = false) => {
      holder(id, { idleMs, hibernate: async () => world.asked.push(id) > 0 && !isRefusing });
    },
    work: (id, turnMs) => holder(id, { turnMs }),
  };
  const holder = (id: string, more: Partial<SlotHolder>) =>
    holders.set(id, { id: idOf(id), turnMs: undefined, idleMs: undefined, hibernate: async () => false, ...more });
  const slots = new ChildSlots({ max, holders: () => [...holders.values()] });
  return { ...world, slots };
}

/** Resolves when pending requests to hibernate have been answered. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the queue for child processes', () => {
  test('gives out as many slots as allowed; the others wait and are told their position', () => {
    const { take, taken, told, slots } = setUp(2);
    take('a', 'b', 'c', 'd');
    expect(taken).toEqual(['a', 'b']);
    expect([...told]).toEqual([
      ['c', { position: 1 }],
      ['d', { position: 2 }],
    ]);
    expect(slots.isFree).toBe(false);
    slots.close();
  });

  test('is served in the order of requests; each waiting session is told its new position once', () => {
    const { take, leave, taken, told, times, slots } = setUp(2);
    take('a', 'b', 'c', 'd', 'e');
    leave('b');
    expect(taken).toEqual(['a', 'b', 'c']);
    expect(told.get('d')).toEqual({ position: 1 });
    expect(told.get('e')).toEqual({ position: 2 });
    leave('a');
    leave('c');
    expect(taken).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(Object.fromEntries(times)).toEqual({ c: 1, d: 2, e: 3 });
    slots.close();
  });

  test('is restored after a restart in its former order, in whatever order its sessions return', () => {
    const { take, takeSince, leave, taken, told, slots } = setUp(1);
    take('a');
    takeSince('d', 30);
    takeSince('b', 10);
    takeSince('c', 20);
    expect(['b', 'c', 'd'].map((id) => told.get(id)?.position)).toEqual([1, 2, 3]);
    for (const id of ['a', 'b', 'c']) leave(id);
    expect(taken).toEqual(['a', 'b', 'c', 'd']);
    slots.close();
  });

  test('can be left at any position; those behind move up, those ahead are told nothing', () => {
    const { take, leave, taken, told, times, slots } = setUp(1);
    take('a', 'b', 'c', 'd');
    leave('c');
    expect(told.get('d')).toEqual({ position: 2 });
    expect(times.get('b')).toBe(1);
    leave('a');
    leave('b');
    expect(taken).toEqual(['a', 'b', 'd']);
    slots.close();
  });

  test('cannot be jumped: a free slot goes to the session that waits longest', () => {
    const { take, leave, taken, slots } = setUp(1);
    take('a', 'b');
    leave('a');
    take('c');
    expect(taken).toEqual(['a', 'b']);
    expect(slots.isFree).toBe(false);
    leave('b');
    leave('c');
    expect(taken).toEqual(['a', 'b', 'c']);
    expect(slots.isFree).toBe(true);
    slots.close();
  });

  test('counts children that already run, including those beyond the limit', () => {
    const { take, leave, taken, slots } = setUp(1);
    for (const id of ['a', 'b']) slots.hold(idOf(id));
    take('c');
    leave('a');
    expect(taken).toEqual([]);
    leave('b');
    expect(taken).toEqual(['c']);
    slots.close();
  });
});

describe('a slot is freed', () => {
  test('by the sessions that have been idle longest, one for each that waits', async () => {
    const { take, rest, asked, slots } = setUp(3);
    take('a', 'b', 'c');
    rest('a', 10);
    rest('b', 30);
    rest('c', 20);
    take('d');
    await settled();
    expect(asked).toEqual(['b']);
    take('e');
    await settled();
    expect(asked).toEqual(['b', 'c']);
    slots.close();
  });

  test('by the next session when one refuses', async () => {
    const { take, rest, asked, slots } = setUp(2);
    take('a', 'b');
    rest('a', 30, true);
    rest('b', 10);
    take('c');
    await settled();
    expect(asked).toEqual(['a', 'b']);
    slots.close();
  });

  test('when a working session becomes idle', async () => {
    const { take, rest, work, asked, slots } = setUp(1);
    take('a');
    work('a', 10);
    take('b');
    await settled();
    expect(asked).toEqual([]);
    rest('a', 0);
    slots.idle();
    await settled();
    expect(asked).toEqual(['a']);
    slots.close();
  });

  test('by no session while none waits, nor for one that has left the queue', async () => {
    const { take, leave, rest, work, asked, slots } = setUp(1);
    take('a');
    work('a', 10);
    take('b');
    leave('b');
    rest('a', 0);
    slots.idle();
    await settled();
    expect(asked).toEqual([]);
    slots.close();
  });

  test('only once by a session that is slow to end', async () => {
    const { take, leave, rest, asked, taken, slots } = setUp(1);
    take('a');
    rest('a', 10);
    take('b');
    await settled();
    slots.idle();
    await settled();
    expect(asked).toEqual(['a']);
    leave('a');
    expect(taken).toEqual(['a', 'b']);
    slots.close();
  });
});

describe('the estimated wait', () => {
  test('follows from the mean turn and the rest of the running turns, in rounds', () => {
    const { take, work, told, slots } = setUp(2);
    take('a', 'b');
    slots.turnEnded(1000);
    work('a', 100);
    work('b', 400);
    take('c', 'd', 'e', 'f');
    const estimates = ['c', 'd', 'e', 'f'].map((id) => told.get(id)?.estimateMs);
    expect(estimates).toEqual([600, 900, 1600, 1900]);
    slots.close();
  });

  test('is never negative, and weighs newer turns more', () => {
    const { take, leave, work, told, slots } = setUp(1);
    take('a');
    slots.turnEnded(1000);
    work('a', 5000);
    take('b', 'c');
    expect(told.get('b')).toEqual({ position: 1, estimateMs: 0 });
    slots.turnEnded(2000);
    leave('a');
    work('b', 0);
    take('d');
    expect(told.get('d')).toEqual({ position: 2, estimateMs: 2400 });
    slots.close();
  });
});
