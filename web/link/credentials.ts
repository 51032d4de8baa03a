/** The credential of this browser, which lives in the storage of its origin. */
import { createStore, del, get, set } from 'idb-keyval';
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
export async function loadCredentials(): Promise<Credentials | undefined> {
  const parsed = storedSchema.safeParse(await get(KEY, storage));
  return parsed.success ? parsed.data : undefined;
}

export const saveCredentials = (credentials: Credentials): Promise<void> => set(KEY, credentials, storage);

export const forgetCredentials = (): Promise<void> => del(KEY, storage);
