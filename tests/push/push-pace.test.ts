/** How fast pushes leave, by a clock that the test sets. */
import { beforeEach, expect, test } from '@jest/globals';
import { PushPace } from '../../services/push/sending/push-pace.js';

const ROOM = 128;
const WATCHED_MS = 500;
/** What a push costs the event loop by itself. */
const COST_MS = 0.3;
const MANY = 20;

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
  ticks += COST_MS * pushes;
  pace.took(pushes, urgent);
}

test('P1: while no session is watched, pushes leave as fast as they can', () => {
  const before = pace.allowance(ROOM);
  send(64);
  expect(pace.allowance(ROOM)).toEqual(before);
  expect(pace.waitMs(ROOM, false)).toBe(0);
});

test('P1: where somebody watches, what can wait leaves in small batches, with pauses many times as long', () => {
  saidAt = ticks;
  for (let batch = 0; batch < 3; batch += 1) {
    const { paced } = pace.allowance(ROOM);
    expect(paced).toBeGreaterThan(0);
    expect(paced).toBeLessThan(10);
    send(paced);
    expect(pace.allowance(ROOM).paced).toBe(0);
    expect(pace.waitMs(ROOM, false)).toBeGreaterThan(MANY * COST_MS * paced);
    ticks += pace.waitMs(ROOM, false);
    saidAt = ticks;
  }
});

test('P1: what a person is waited for with keeps to no pace, unless it is a long queue', () => {
  saidAt = ticks;
  send(pace.allowance(ROOM).paced);
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
