import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Adapter, Low } from 'lowdb';
import * as z from 'zod';
import { scopeSchema } from '../../protocol/access.js';
import { toStorageError } from '../../protocol/storage-error.js';
import { mergeRegistrations } from './push-tokens.js';

const pushRegistrationSchema = z.object({
  token: z.string(),
  platform: z.enum(['ios', 'web', 'ntfy']),
  environment: z.enum(['production', 'sandbox']).optional(),
  bundleId: z.string().optional(),
  encryptionKey: z.string().optional(),
  /** Epoch milliseconds; older registries have not kept it. */
  registeredAt: z.number().optional(),
});

/** The tokens that came of one pairing or login: the newest refresh token is the only one that is good. */
const familySchema = z.object({
  familyId: z.string(),
  scopes: z.array(scopeSchema),
  /** Of the newest refresh token: how many were before it, and its SHA-256 in hexadecimal. */
  generation: z.int(),
  digest: z.string(),
  /** Epoch milliseconds. */
  createdAt: z.number(),
  refreshedAt: z.number(),
});
export type TokenFamily = z.infer<typeof familySchema>;

const deviceSchema = z.object({
  deviceId: z.string(),
  userId: z.string(),
  name: z.string().optional(),
  /** What it said it is. */
  platform: z.string().optional(),
  family: familySchema.optional(),
  /** Why it has no credential any more. */
  revoked: z.object({ at: z.number(), reason: z.string() }).optional(),
  push: pushRegistrationSchema.optional(),
  preferences: z.record(z.string(), z.unknown()).optional(),
});
export type DeviceEntry = z.infer<typeof deviceSchema>;

/** Of an owner who has given none. */
const OWNER_EMAIL = 'owner@localhost';

const userSchema = z.object({
  userId: z.string(),
  role: z.enum(['owner', 'member']),
  email: z.string().default(OWNER_EMAIL),
  name: z.string().optional(),
  /** SHA-256 of the owner's token, in hexadecimal. */
  tokenDigest: z.string().optional(),
  /** argon2id, in the PHC form. */
  passwordHash: z.string().optional(),
  createdAt: z.number().optional(),
});
export type UserEntry = z.infer<typeof userSchema>;

const registrySchema = z.object({
  users: z.array(userSchema),
  devices: z.array(deviceSchema),
});
export type RegistryData = z.infer<typeof registrySchema>;

/** People and devices: a few kilobytes that an owner may read and mend by hand. */
export interface RegistryFile {
  readonly data: Readonly<RegistryData>;
  /**
   * Writes what `change` makes of a copy, one update after the other; nothing when it says `false`. Rejects with
   * `STORAGE_FULL`: nothing has changed then.
   */
  update(change: (data: RegistryData) => unknown): Promise<void>;
  /** As `update`, and holds even when it cannot be written, which it rejects with all the same: it is written as soon as it can be. */
  insist(change: (data: RegistryData) => void): Promise<void>;
}

/**
 * Opens the registry, or begins and writes one with an owner, so that the owner stays the same from the first start on.
 * Throws with the file's name when it cannot be understood.
 */
export async function openRegistryFile(path: string): Promise<RegistryFile> {
  const owner: UserEntry = { userId: randomUUID(), role: 'owner', email: OWNER_EMAIL, createdAt: Date.now() };
  const initial: RegistryData = { users: [owner], devices: [] };
  const file = new Low<RegistryData>(jsonFile(path), initial);
  await file.read();
  if (file.data === initial) await file.write();
  // In memory: the next change writes it, and a full disk is no reason not to start.
  mergeRegistrations(file.data.devices);
  let last: Promise<void> = Promise.resolve();
  const inTurn = (task: () => Promise<void>) => {
    const done = last.then(task);
    last = done.catch(() => {});
    return done;
  };
  const writeSooner = () => {
    const timer = setTimeout(() => void inTurn(() => file.adapter.write(file.data)).catch(writeSooner), RETRY_MS);
    timer.unref();
  };
  return {
    get data() {
      return file.data;
    },
    update: (change) =>
      inTurn(async () => {
        const changed = structuredClone(file.data);
        if (change(changed) === false) return;
        await file.adapter.write(changed);
        file.data = changed;
      }),
    insist: (change) =>
      inTurn(async () => {
        const changed = structuredClone(file.data);
        change(changed);
        file.data = changed;
        await file.adapter.write(changed).catch((error: unknown) => {
          writeSooner();
          throw error;
        });
      }),
  };
}

/** How soon it is tried again to write what must not be lost. */
const RETRY_MS = 2000;

/** Written beside and renamed, readable by its owner alone (lowdb's own adapter leaves the mode to the umask). */
function jsonFile(path: string): Adapter<RegistryData> {
  return {
    read: async () => {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      return text === null ? null : parseRegistry(text, path);
    },
    write: async (data) => {
      const fresh = `${path}.${process.pid}.new`;
      try {
        await writeFile(fresh, `${JSON.stringify(data, null, 2)}\n`, { mode: 0o600, flush: true });
        await rename(fresh, path);
        await syncFolder(dirname(path));
      } catch (error) {
        await rm(fresh, { force: true }).catch(() => {});
        throw toStorageError('The registry', error);
      }
    },
  };
}

/**
 * A rename is in the folder, and the folder has to be on the disk as well: a machine that goes down would bring back an
 * older file. Where a file system does not know that of folders, the rename is all there is.
 */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path).catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

function parseRegistry(text: string, path: string): RegistryData {
  try {
    return registrySchema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${path} cannot be understood: ${(error as Error).message}`);
  }
}
