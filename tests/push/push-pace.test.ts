/** How fast pushes leave, by a clock that the test sets. */
import { beforeEach, expect, test } from '@jest/globals';
import { PushPace } from '../../services/push/push-pace.js';

const ROOM = 128;
const WATCHED_MS = 500;
/** A hundred times what a push costs the event loop by itself. */
const LONG_MS = 100;

let ticks: number;
let saidAt: number;
let pace: PushPace;

beforeEach(() => {
  ticks = 10_000;
  saidAt = Number.NEGATIVE_INFINITY;
  pace = new PushPace({ lastSaidAt: () => saidAt, ticks: () => ticks });
});

/** So many are sent, each of which takes a while. */
function send(pushes: number, urgent = 0): void {
  ticks += 0.2 * pushes;
  pace.took(pushes, urgent);
}

test('P1: where nobody watches, pushes leave as fast as they can', () => {
  const before = pace.allowance(ROOM);
  send(64);
  expect(pace.allowance(ROOM)).toEqual(before);
  expect(pace.waitMs(ROOM, false)).toBe(0);
});

test('P1: where somebody watches, what can wait leaves a few at once, and then one by one, with long pauses', () => {
  saidAt = ticks;
  const { paced } = pace.allowance(ROOM);
  expect(paced).toBeLessThan(10);
  send(paced);
  expect(pace.allowance(ROOM).paced).toBe(0);
  expect(pace.waitMs(ROOM, false)).toBeGreaterThan(LONG_MS);
  ticks += pace.waitMs(ROOM, false);
  saidAt = ticks;
  expect(pace.allowance(ROOM).paced).toBe(1);
});

test('P1: what a person is waited for with keeps to no pace, unless it is a long queue', () => {
  saidAt = ticks;
  send(4);
  const { free } = pace.allowance(ROOM);
  expect(free).toBeGreaterThan(30);
  expect(pace.waitMs(ROOM, true)).toBe(0);
  pace.took(free, free);
  expect(pace.allowance(ROOM).free).toBe(0);
  expect(pace.waitMs(ROOM, true)).toBeGreaterThan(0);
});

test('P1: when nothing has been said for a while, pushes are as fast as before', () => {
  saidAt = ticks;
  send(4);
  ticks += WATCHED_MS;
  expect(pace.waitMs(ROOM, false)).toBe(0);
  expect(pace.allowance(ROOM).paced).toBeGreaterThan(32);
});
