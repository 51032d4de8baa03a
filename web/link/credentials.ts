/** The credential of this browser, which lives in the storage of its origin. */
import { createStore, del, get, set, update } from 'idb-keyval';
import * as z from 'zod';
import { grantSchema } from '../../protocol/auth.js';

const storedSchema = grantSchema.pick({ deviceId: true, refreshToken: true, scopes: true, user: true }).extend({
  /** The id under which the refresh token is exchanged: see `createTokenRenewer`. */
  requestId: z.string().optional(),
});
export type Credentials = z.infer<typeof storedSchema>;

const KEY = 'credentials';
const storage = createStore('claude-companion', 'device');

/** Undefined for a browser that is not paired. */
export const loadCredentials = async (): Promise<Credentials | undefined> => parse(await get(KEY, storage));

function parse(stored: unknown): Credentials | undefined {
  const parsed = storedSchema.safeParse(stored);
  return parsed.success ? parsed.data : undefined;
}

export const saveCredentials = (credentials: Credentials): Promise<void> => set(KEY, credentials, storage);

/** Where another tab has signed out meanwhile, or has paired the browser anew, that stays so. */
export const renewCredentials = (
  device: string,
  renewed: Pick<Credentials, 'refreshToken' | 'requestId'>,
): Promise<void> =>
  update<unknown>(
    KEY,
    (stored) => {
      const known = parse(stored);
      return known?.deviceId === device ? { ...known, ...renewed } : stored;
    },
    storage,
  );

export const forgetCredentials = (): Promise<void> => del(KEY, storage);
