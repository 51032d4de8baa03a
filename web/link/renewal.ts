/** The access tokens of this browser, which all of its tabs renew with one refresh token. */
import { ConnectionError, createTokenRenewer } from '../../client/browser.js';
import { loadCredentials, renewCredentials } from './credentials.js';
import { newId } from './new-id.js';

/**
 * Resolves to another access token. A refresh token works once: each tab takes the newest one from the storage, one tab
 * after the other. Rejects as `createTokenRenewer` does, and with `unauthorized` when another tab has signed out.
 */
export const renewToken = (): Promise<string> => oneTabAtATime(renew);

async function renew(): Promise<string> {
  const credentials = await loadCredentials();
  if (!credentials) throw new ConnectionError('unauthorized', 'This browser was signed out.');
  const { deviceId, refreshToken, requestId = newId() } = credentials;
  // Before it is used: an exchange whose answer was lost is repeated under the same id.
  await renewCredentials(deviceId, { refreshToken, requestId });
  const exchange = createTokenRenewer({
    url: location.origin,
    refreshToken,
    requestId,
    save: (token, id) => renewCredentials(deviceId, { refreshToken: token, requestId: id }),
  });
  return exchange();
}

/** Without TLS, pages of other machines have no locks. */
const oneTabAtATime = (task: () => Promise<string>): Promise<string> =>
  'locks' in navigator ? navigator.locks.request('companion-token', task) : task();
