/** What a sender of pushes does when it is closed, wherever it runs. */
import { expect, test } from '@jest/globals';
import type { PushSender } from '../../../services/ports/push.js';
import { waitUntil } from '../../support/wait-until.js';
import type { ApnsStage } from './apns-stage.js';
import { message, registration } from './push-samples.js';

/** `open` makes a sender that never gives a push up by itself. */
export function testClosing(apns: ApnsStage, open: () => PushSender): void {
  const isThere = () => waitUntil('it is there', () => apns.production.requests.length === 1);
  const hasLeft = () => waitUntil('its session has ended', () => apns.production.openSessions() === 0);

  test('lets a push under way arrive', async () => {
    const sender = open();
    let release = () => {};
    apns.production.behave(
      () =>
        new Promise((resolve) => {
          release = () => resolve({ kind: 'accept' });
        }),
    );
    const pending = sender.send(registration(), message());
    await isThere();
    const closed = sender.close();
    release();
    expect(await pending).toMatchObject({ kind: 'accepted' });
    await closed;
    await hasLeft();
  });

  test('answers one that hangs, sends no more, and leaves no session', async () => {
    const sender = open();
    apns.production.behave(() => ({ kind: 'hang' }));
    const pending = sender.send(registration(), message());
    await isThere();
    await sender.close();
    expect(await pending).toEqual({ kind: 'retry', reason: 'closing' });
    expect(await sender.send(registration(), message())).toEqual({ kind: 'retry', reason: 'closing' });
    await hasLeft();
  });

  test('opens no session for a push that it was still preparing', async () => {
    const sender = open();
    const pending = sender.send(registration(), message());
    await sender.close();
    expect(await pending).toEqual({ kind: 'retry', reason: 'closing' });
    expect(apns.production.sessions()).toBe(0);
  });
}
