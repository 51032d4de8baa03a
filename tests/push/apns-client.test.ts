/** What becomes of pushes when the client for Apple's service cannot be made: the real one cannot be made to fail so. */
import { createRequire } from 'node:module';
import { afterEach, expect, jest, test } from '@jest/globals';
import { message, registration } from './support/push-samples.js';

let isBroken = false;
const load = createRequire(import.meta.url);
const real = load('@parse/node-apn') as { Provider: new (options: unknown) => object; Notification: object };
class FickleProvider extends real.Provider {
  constructor(options: unknown) {
    if (isBroken) throw new Error('a secret that stands in the key');
    super(options);
  }
}
jest.unstable_mockModule('@parse/node-apn', () => ({ ...real, Provider: FickleProvider }));
const { useApns } = await import('./support/apns-stage.js');

const apns = useApns();
afterEach(() => {
  isBroken = false;
});

test('a client that cannot be created is a problem without a secret in it, and the next push tries again', async () => {
  const sender = apns.sender();
  isBroken = true;
  expect(await sender.send(registration(), message())).toEqual({
    kind: 'retry',
    reason: 'the client could not be made',
  });
  expect(sender.problem?.message).toBe("The client for Apple's push service cannot be started");
  expect(JSON.stringify(sender.problem)).not.toContain('secret');
  isBroken = false;
  expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  expect(sender.problem).toBeUndefined();
});
