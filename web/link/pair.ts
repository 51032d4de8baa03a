import { createRestClient, login, pair, showAuthMethods } from '../../client/rest/index.js';
import type { GrantView } from '../../protocol/auth.js';
import { type Credentials, saveCredentials } from './credentials.js';

/** Exchanges a code for a credential of this browser, and keeps it. Rejects with the daemon's refusal. */
export async function pairBrowser(code: string, deviceName: string): Promise<Credentials> {
  const rest = createRestClient({ url: location.origin });
  const body = { code: code.trim(), deviceName, platform: 'web' };
  return keep(await pair(rest, { body }));
}

export interface SignIn {
  /** The e-mail address. */
  name: string;
  password: string;
}

/** Exchanges a password for a credential of this browser, and keeps it. Rejects with the daemon's refusal. */
export async function signInBrowser({ name, password }: SignIn, deviceName: string): Promise<Credentials> {
  const rest = createRestClient({ url: location.origin });
  return keep(await login(rest, { body: { email: name, password, deviceName, platform: 'web' } }));
}

/** Whether the daemon knows people with a password; a daemon that does not say so is not asked for one. */
export async function takesPasswords(): Promise<boolean> {
  try {
    return (await showAuthMethods(createRestClient({ url: location.origin }))).password;
  } catch {
    // Away, or an older one: there is the code.
    return false;
  }
}

async function keep({ deviceId, refreshToken, scopes, user }: GrantView): Promise<Credentials> {
  const credentials = { deviceId, refreshToken, scopes, user };
  await saveCredentials(credentials);
  return credentials;
}

/** What the address can carry that opened the page. */
export interface Invitation {
  /** Undefined where the address is damaged. */
  code: string | undefined;
  /** Where a session is to show itself, in a demo. */
  show: string | undefined;
}

/** The prompt for which the script of the demo shows what there is. */
export const SHOW = 'Show me around';

/** Of the address that opened the page. It is taken out of the address, and so out of the history. */
export function takeInvitation(): Invitation | undefined {
  const { hash } = location;
  if (!hash.startsWith('#pair=')) return undefined;
  history.replaceState(null, '', location.pathname);
  const [, code, show] = /^#pair=([\w-]+)(?:&show=([^&]+))?$/.exec(hash) ?? [];
  return { code, show: show === undefined ? undefined : decodeURIComponent(show) };
}

/** What people know their browser by. */
export function browserName(): string {
  const { userAgent } = navigator;
  const browser = /Edg|OPR|Firefox|Chrome|Safari/.exec(userAgent)?.[0] ?? 'Browser';
  const system = /iPhone|iPad|Android|Mac OS|Windows|Linux/.exec(userAgent)?.[0];
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera' };
  return [names[browser] ?? browser, system].filter((word) => word !== undefined).join(' on ');
}
