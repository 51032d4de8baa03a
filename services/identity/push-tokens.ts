/** Normalises stored push tokens, so that each address has one spelling, and decides who owns an address. */

import * as z from 'zod';
import { parseJson } from '../../protocol/json.js';

/** The entry in the registry. */
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
 * The canonical spelling of a token: Apple's in lower case; a subscription as JSON of its endpoint, as written by URL
 * parsers, and its keys in base64url, without other browser fields (`expirationTime`). A topic has only one spelling,
 * and an unparsable token stays as it is.
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
 * Removes a registration's address from the other devices that have it. Within the same person always: one address gets
 * each push once. From another person only Apple's: an app on a phone has one token, which follows its current user.
 * Anyone can write down a topic or a subscription, and that must not silence its owner.
 */
export function takeOver({ userId, push }: Registered, devices: readonly Registrant[]): void {
  const address = addressOf(push);
  for (const other of devices) {
    if (!other.push || addressOf(other.push) !== address) continue;
    if (other.userId === userId || push.platform === 'ios') delete other.push;
  }
}

/** Normalises the tokens of an older registry. Of several registrations with one address the newest stays. */
export function mergeRegistrations(devices: readonly Registrant[]): void {
  const registered = devices.filter(hasPush).sort((one, other) => sinceOf(one) - sinceOf(other));
  for (const { push } of registered) push.token = normalToken(push);
  for (const [index, entry] of registered.entries()) takeOver(entry, registered.slice(0, index));
}

/** The push destination: a subscription with other keys is the same browser. */
function addressOf({ platform, token }: PushEntry): string {
  const address = platform === 'web' ? (parseSubscription(token)?.endpoint ?? token) : token;
  return `${platform} ${address}`;
}

const parseSubscription = (token: string): z.infer<typeof subscriptionSchema> | undefined =>
  subscriptionSchema.safeParse(parseJson(token)).data;

const asBase64url = (text: string): string => Buffer.from(text, 'base64url').toString('base64url');

const hasPush = (entry: Registrant): entry is Registered => entry.push !== undefined;

const sinceOf = ({ push }: Registrant): number => push?.registeredAt ?? 0;
