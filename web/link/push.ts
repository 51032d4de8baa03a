/** The service worker of the console, and pushes to this browser. */
import type { RestClient } from '../../client/rest/index.js';
import { showVapidKey } from '../../client/rest/index.js';
import type { Link } from './link.js';

/** The policy of the page takes addresses of scripts only from here. */
const scripts = (
  globalThis as unknown as {
    trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } };
  }
).trustedTypes?.createPolicy('companion', {
  createScriptURL: (url: string) => {
    if (url !== WORKER) throw new TypeError('not a script of the console');
    return url;
  },
});

const WORKER = '/sw.js';

/** Does nothing where there are no workers: on an address without TLS that is not this machine's. */
export async function startWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ open?: string }>) => {
    if (data.open !== undefined) location.assign(data.open);
  });
  await navigator.serviceWorker.register(scripts?.createScriptURL(WORKER) ?? WORKER);
}

export type PushState = 'unsupported' | 'refused' | 'off' | 'on';

export async function pushState(): Promise<PushState> {
  if (!('serviceWorker' in navigator) || !('PushManager' in globalThis)) return 'unsupported';
  if (Notification.permission === 'denied') return 'refused';
  const registration = await navigator.serviceWorker.getRegistration();
  return (await registration?.pushManager.getSubscription()) ? 'on' : 'off';
}

/** Asks the person, subscribes, and tells the daemon. Rejects with what went wrong. */
export async function subscribe({ client, rest }: Pick<Link, 'client' | 'rest'>): Promise<PushState> {
  if ((await Notification.requestPermission()) !== 'granted') return 'refused';
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: await keyOf(rest),
  });
  await client.request('registerDevice', { token: JSON.stringify(subscription), platform: 'web' });
  return 'on';
}

async function keyOf(rest: RestClient): Promise<string> {
  const { publicKey } = await showVapidKey(rest);
  return publicKey;
}
