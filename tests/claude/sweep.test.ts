import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { CHILD_MARKER, sweep } from '../../services/claude/process/sweep.js';

let left: ChildProcess | undefined;
afterEach(() => {
  left?.kill('SIGKILL');
});

test('H3: a sweep for which there was no descriptor is tried again, and ends what was left', async () => {
  const value = randomUUID();
  left = spawn('sleep', ['600'], { env: { PATH: process.env.PATH, [CHILD_MARKER]: value }, stdio: 'ignore' });
  await once(left, 'spawn');
  const exited = once(left, 'exit');
  let looks = 0;
  const descendants = {
    look: async () => {
      looks += 1;
      if (looks === 1) throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
      return [];
    },
  };
  await sweep({ marker: CHILD_MARKER, value, descendants });
  expect((await exited)[1]).toBe('SIGTERM');
  expect(looks).toBeGreaterThan(1);
});
