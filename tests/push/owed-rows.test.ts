/** P1: what is due is found among any number of rows, and costs no more than itself. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PushRecord } from '../../services/ports/outbox.js';
import { OwedRows } from '../../services/push/outbox/owed-rows.js';
import { changed, newPush } from '../../services/push/outbox/push-record.js';
import { AT, deviceRef, resultOf, waitingOf } from './situations.js';

const TIMES = 5;

const rowOf = (pushId: string, nextTry: number, createdAt = AT): PushRecord => ({
  ...newPush({ device: deviceRef('phone'), about: { what: 'concern', concern: waitingOf('permission') }, ...BEGUN }),
  pushId,
  nextTry,
  createdAt,
});
const BEGUN = { epoch: 'epoch', now: AT };

const dueOf = (rows: OwedRows, at: number) => [...rows.due(at, 'urgent'), ...rows.due(at, 'patient')];

const stepArbitrary = fc.record({
  pushId: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  what: fc.constantFrom('put', 'send', 'drop', 'look'),
  at: fc.integer({ min: 0, max: TIMES }),
});

type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** The same for the rows and for a map of those that are owed. */
function apply({ pushId, what, at }: Step, rows: OwedRows, model: Map<string, PushRecord>): void {
  const row = rowOf(pushId, at);
  if (what === 'put') {
    rows.put(row);
    model.set(pushId, row);
  } else if (what !== 'look') {
    if (what === 'drop') rows.drop(row);
    else rows.put(changed(row, { state: 'sending', at }));
    model.delete(pushId);
  }
}

test('P1: whatever becomes of rows, those are due that are owed and whose time has come', () => {
  const check = (steps: Step[]) => {
    const rows = new OwedRows();
    const model = new Map<string, PushRecord>();
    for (const step of steps) {
      apply(step, rows, model);
      const owed = [...model.values()];
      expect(new Set(dueOf(rows, step.at))).toEqual(new Set(owed.filter(({ nextTry }) => nextTry <= step.at)));
      const later = owed.map(({ nextTry }) => nextTry).filter((time) => time > step.at);
      expect(rows.nextAt).toBe(Math.min(Number.POSITIVE_INFINITY, ...later));
    }
  };
  fc.assert(fc.property(fc.array(stepArbitrary, { maxLength: 60 }), check));
});

test('P1: what has been due for longest comes first, and of what fell due together the oldest', () => {
  const rows = new OwedRows();
  rows.put(rowOf('late', 9));
  rows.put(rowOf('younger', 3, AT + 2));
  rows.put(rowOf('older', 3, AT + 1));
  rows.put(rowOf('first', 1, AT + 3));
  rows.put(rowOf('not yet', 11));
  expect(dueOf(rows, 10).map(({ pushId }) => pushId)).toEqual(['first', 'older', 'younger', 'late']);
  expect(rows.nextAt).toBe(11);
});

test('P1: the results of a device are together, whenever they are due', () => {
  const rows = new OwedRows();
  const about = { what: 'concern', concern: resultOf('turn_complete') } as const;
  const results = ['phone', 'laptop', 'phone'].map((name) => newPush({ device: deviceRef(name), about, ...BEGUN }));
  for (const row of [...results, rowOf('request', AT)]) rows.put(row);
  expect(rows.resultsOf(deviceRef('phone'))).toEqual([results[0], results[2]]);
});
