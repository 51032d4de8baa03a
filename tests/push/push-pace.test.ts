/** How fast pushes leave, by a clock that the test sets. */
import { beforeEach, expect, test } from '@jest/globals';
import { PushPace } from '../../services/push/push-pace.js';

const ROOM = 128;
const WATCHED_MS = 500;
/** Longer than any pause. */
const LONG_MS = 100;

let ticks: number;
let saidAt: number;
let pace: PushPace;

beforeEach(() => {
  ticks = 10_000;
  saidAt = Number.NEGATIVE_INFINITY;
  pace = new PushPace({ lastSaidAt: () => saidAt, ticks: () => ticks });
});

/** Pushes that cost so much are sent. */
async function send(pushes: number, { ms = 0.2 * pushes, urgent = 0 } = {}): Promise<void> {
  await pace.spend(() => {
    ticks += ms;
  });
  pace.rest(pushes, urgent);
}

test('P1: where nobody watches, pushes leave as fast as they can', async () => {
  const before = pace.allowance(ROOM);
  await send(64);
  expect(pace.allowance(ROOM)).toEqual(before);
  expect(pace.waitMs(ROOM, false)).toBe(0);
});

test('P1: where somebody watches, what can wait leaves a few at a time, with pauses several times as long', async () => {
  saidAt = ticks;
  const { paced } = pace.allowance(ROOM);
  expect(paced).toBeGreaterThan(0);
  expect(paced).toBeLessThan(10);
  await send(paced);
  expect(pace.allowance(ROOM).paced).toBe(0);
  expect(pace.waitMs(ROOM, false)).toBeGreaterThan(1);
  ticks += pace.waitMs(ROOM, false);
  saidAt = ticks;
  expect(pace.allowance(ROOM).paced).toBe(paced);
});

test('P1: what a person is waited for with keeps to no pace, unless it is a long queue', async () => {
  saidAt = ticks;
  await send(4);
  const { free } = pace.allowance(ROOM);
  expect(free).toBeGreaterThan(30);
  expect(pace.waitMs(ROOM, true)).toBe(0);
  await send(free, { urgent: free, ms: 0 });
  expect(pace.allowance(ROOM).free).toBe(0);
  expect(pace.waitMs(ROOM, true)).toBeGreaterThan(0);
});

test('P1: one push that seemed to take very long makes no long pause', async () => {
  saidAt = ticks;
  await send(1, { ms: 5000 });
  expect(pace.waitMs(ROOM, false)).toBeLessThan(LONG_MS);
});

test('P1: when nothing has been said for a while, pushes are as fast as before', async () => {
  saidAt = ticks;
  await send(4);
  ticks += WATCHED_MS;
  expect(pace.waitMs(ROOM, false)).toBe(0);
  expect(pace.allowance(ROOM).paced).toBeGreaterThan(32);
});
