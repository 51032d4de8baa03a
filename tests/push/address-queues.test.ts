/** P1: what comes in the place of an older push waits until that one is done. */
import { expect, test } from '@jest/globals';
import type { PushState } from '../../services/ports/outbox.js';
import { AddressQueues } from '../../services/push/outbox/outbox-rows.js';
import { changed, newPush } from '../../services/push/outbox/push-record.js';
import { AT, deviceRef, waitingOf } from './situations.js';

const BEGUN = { epoch: 'epoch', now: AT };
const testOf = (deviceId: string, now = AT) =>
  newPush({ device: deviceRef(deviceId), about: { what: 'test' }, ...BEGUN, now });

test.each(['accepted', 'seen', 'suppressed', 'expired', 'failed'] as const)(
  'P1: a test waits for an older one of its device while that is owed or being sent, until it is %s',
  (end) => {
    const queues = new AddressQueues();
    const [older, newer] = [testOf('phone'), testOf('phone')];
    const olderIs = (state: PushState) => queues.put(changed(older, { state, at: AT }));
    for (const row of [older, newer]) queues.put(row);
    for (const state of ['owed', 'sending', 'owed'] as const) {
      olderIs(state);
      expect([older, newer].map((row) => queues.isBehind(row))).toEqual([false, true]);
    }
    olderIs(end);
    expect(queues.isBehind(newer)).toBe(false);
  },
);

test('P1: the order of two tests is that in which they were written, also when the clock was put back between them', () => {
  const queues = new AddressQueues();
  const [older, newer] = [testOf('phone', AT), testOf('phone', AT - 3_600_000)];
  for (const row of [older, newer]) queues.put(row);
  expect([older, newer].map((row) => queues.isBehind(row))).toEqual([false, true]);
});

test('P1: a push of another device, of another address or of a session does not wait', () => {
  const queues = new AddressQueues();
  const security = newPush({ device: deviceRef('phone'), about: { what: 'security', deviceName: 'x' }, ...BEGUN });
  const about = { what: 'concern', concern: waitingOf('permission') } as const;
  const requests = [1, 2].map(() => newPush({ device: deviceRef('phone'), about, ...BEGUN }));
  const rows = [testOf('phone'), testOf('laptop'), security, ...requests];
  for (const row of rows) queues.put(row);
  expect(rows.filter((row) => queues.isBehind(row))).toEqual([]);
});
