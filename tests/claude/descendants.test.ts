/** Which processes of the system's table count as started by a child. */
import { describe, expect, test } from '@jest/globals';
import { findDescendants } from '../../services/claude/process/descendants.js';

const child = { pid: 100, startTime: 'child' };
const CHILD = { ...child, parent: 1, group: 100 };
const row = (pid: number, parent: number, group: number, startTime = `start-${pid}`) => ({
  pid,
  parent,
  group,
  startTime,
});
const pidsOf = (rows: ReturnType<typeof row>[], known: { pid: number; startTime: string }[] = []) =>
  findDescendants(rows, { child, known })
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);

describe('what a child has started', () => {
  test('H3: descendants at any depth, in whatever order the table lists them', () => {
    expect(pidsOf([row(103, 102, 103), row(102, 101, 101), row(101, 100, 101), CHILD])).toEqual([101, 102, 103]);
  });

  test('H3: one that was left by its parents is known by the others of its group', () => {
    const left = row(103, 1, 101);
    expect(pidsOf([CHILD, row(101, 100, 101), left, row(104, 103, 104)])).toEqual([101, 103, 104]);
  });

  test('H3: when nothing of a group is known any more, the group is not either', () => {
    const known = [{ pid: 101, startTime: 'start-101' }];
    expect(pidsOf([CHILD, row(103, 1, 101)], known)).toEqual([]);
  });

  test('H3: one that was seen before counts, with its group and its descendants, also when the child is gone', () => {
    const known = [{ pid: 102, startTime: 'start-102' }];
    expect(pidsOf([row(102, 1, 101), row(103, 1, 101), row(104, 102, 104)], known)).toEqual([102, 103, 104]);
  });

  test('H3: another process under a pid that was seen does not count, nor who is with it', () => {
    const known = [{ pid: 102, startTime: 'start-102' }];
    const other = row(102, 1, 102, 'later');
    expect(pidsOf([CHILD, other, row(103, 102, 102), row(104, 102, 104)], known)).toEqual([]);
  });

  test('H3: another process under the pid of the child is not the child', () => {
    expect(pidsOf([row(100, 1, 100, 'later'), row(101, 100, 101), row(102, 1, 100)])).toEqual([]);
  });
});
