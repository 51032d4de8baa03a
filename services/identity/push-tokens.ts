/** Push tokens as they are kept, so that one address of a device has one spelling, and whose an address is. */

import * as z from 'zod';
import { parseJson } from '../../protocol/parse-json.js';

/** As the registry has it. */
interface PushEntry {
  platform: 'ios' | 'web' | 'ntfy';
  token: string;
  registeredAt?: number | undefined;
}

interface Registrant {
  userId: string;
  push?: PushEntry | undefined;
}

type Registered = Registrant & { push: PushEntry };

const subscriptionSchema = z.object({
  endpoint: z.url(),
  keys: z.object({ p256dh: z.string(), auth: z.string() }),
});

/**
 * The one spelling of a token: Apple's in small letters; a subscription as JSON of its endpoint, as URL parsers write it,
 * and its keys in base64url, without what else a browser says (`expirationTime`). A topic has one spelling already, and
 * what cannot be understood stays as it is.
 */
export function normalToken({ platform, token }: Pick<PushEntry, 'platform' | 'token'>): string {
  switch (platform) {
    case 'ios':
      return token.toLowerCase();
    case 'web': {
      const subscription = parseSubscription(token);
      if (!subscription) return token;
      const { endpoint, keys } = subscription;
      const { p256dh, auth } = keys;
      return JSON.stringify({
        endpoint: new URL(endpoint).href,
        keys: { p256dh: asBase64url(p256dh), auth: asBase64url(auth) },
      });
    }
    case 'ntfy':
      return token;
  }
}

/**
 * Takes the address of a registration away from the other devices that have it. Of the same person any: one address is
 * pushed to once. Of another person Apple's alone: an app on a phone has one token, which goes along with whoever uses it.
 * A topic or a subscription is a name that anybody can write down, and writing it down must not silence its owner.
 */
export function takeOver({ userId, push }: Registered, devices: readonly Registrant[]): void {
  const address = addressOf(push);
  for (const other of devices) {
    if (!other.push || addressOf(other.push) !== address) continue;
    if (other.userId === userId || push.platform === 'ios') delete other.push;
  }
}

/** Brings the tokens of an older registry into their one spelling. Of several registrations of an address the newest stays. */
export function mergeRegistrations(devices: readonly Registrant[]): void {
  const registered = devices.filter(hasPush).sort((one, other) => sinceOf(one) - sinceOf(other));
  for (const { push } of registered) push.token = normalToken(push);
  for (const [index, entry] of registered.entries()) takeOver(entry, registered.slice(0, index));
}

/** What is pushed to: a subscription with other keys is the same browser. */
function addressOf({ platform, token }: PushEntry): string {
  const address = platform === 'web' ? (parseSubscription(token)?.endpoint ?? token) : token;
  return `${platform} ${address}`;
}

const parseSubscription = (token: string): z.infer<typeof subscriptionSchema> | undefined =>
  subscriptionSchema.safeParse(parseJson(token)).data;

const asBase64url = (text: string): string => Buffer.from(text, 'base64url').toString('base64url');

const hasPush = (entry: Registrant): entry is Registered => entry.push !== undefined;

const sinceOf = ({ push }: Registrant): number => push?.registeredAt ?? 0;
