import { expect, test } from '@jest/globals';
import { createMemoryReader } from '../../services/claude/process/resident-memory.js';

test('the memory of a process is read once for all who ask at a time, and each process by itself', async () => {
  const read: number[] = [];
  const memoryOf = createMemoryReader(async (pid) => {
    read.push(pid);
    return pid * 10;
  });
  expect(await Promise.all([memoryOf(1), memoryOf(1), memoryOf(2), memoryOf(1)])).toEqual([10, 10, 20, 10]);
  expect(read).toEqual([1, 2]);
});

test('the memory of this process is some tens of MiB, and that of none is unknown', async () => {
  const memoryOf = createMemoryReader();
  expect(await memoryOf(process.pid)).toBeGreaterThan(10 * 1024 * 1024);
  expect(await memoryOf(2 ** 30)).toBeUndefined();
});
