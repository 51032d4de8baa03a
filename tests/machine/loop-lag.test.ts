import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { LoopLag } from '../../services/telemetry/loop-lag.js';

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('a block of the event loop is seen, whether the loop was idle or busy before, and only once', async () => {
  const lag = new LoopLag();
  try {
    await delay(10);
    lag.read();
    await delay(20);
    block(400);
    await delay(10);
    // At least what is left of it when the period of a look is taken off; other work of the process can be in it.
    const afterIdle = lag.read();
    expect(afterIdle).toBeGreaterThanOrEqual(0.29);
    expect(afterIdle).toBeLessThan(2);
    // It is watched now: a look has come before the block, and one comes after it.
    await delay(250);
    lag.read();
    await delay(250);
    block(400);
    await delay(150);
    expect(lag.read()).toBeGreaterThanOrEqual(0.19);
  } finally {
    lag.close();
  }
});
