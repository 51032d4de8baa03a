import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type Adapter, Low } from 'lowdb';
import * as z from 'zod';
import { toStorageError } from '../../protocol/storage-error.js';

const pushRegistrationSchema = z.object({
  token: z.string(),
  platform: z.enum(['ios', 'web', 'ntfy']),
  environment: z.enum(['production', 'sandbox']).optional(),
  bundleId: z.string().optional(),
  encryptionKey: z.string().optional(),
  /** Epoch milliseconds; older registries have not kept it. */
  registeredAt: z.number().optional(),
});

const deviceSchema = z.object({
  deviceId: z.string(),
  userId: z.string(),
  name: z.string().optional(),
  push: pushRegistrationSchema.optional(),
  preferences: z.record(z.string(), z.unknown()).optional(),
});
export type DeviceEntry = z.infer<typeof deviceSchema>;

const userSchema = z.object({
  userId: z.string(),
  role: z.literal('owner'),
  /** SHA-256 of the owner's token, in hexadecimal. */
  tokenDigest: z.string().optional(),
});

const registrySchema = z.object({
  users: z.array(userSchema),
  devices: z.array(deviceSchema),
});
export type RegistryData = z.infer<typeof registrySchema>;

/** People and devices: a few kilobytes that an owner may read and mend by hand. */
export interface RegistryFile {
  readonly data: Readonly<RegistryData>;
  /** Writes what `change` makes of a copy, one update after the other. Rejects with `STORAGE_FULL`: nothing has changed then. */
  update(change: (data: RegistryData) => void): Promise<void>;
}

/**
 * Opens the registry, or begins and writes one with an owner, so that the owner stays the same from the first start on.
 * Throws with the file's name when it cannot be understood.
 */
export async function openRegistryFile(path: string): Promise<RegistryFile> {
  const initial: RegistryData = { users: [{ userId: randomUUID(), role: 'owner' }], devices: [] };
  const file = new Low<RegistryData>(jsonFile(path), initial);
  await file.read();
  if (file.data === initial) await file.write();
  let last: Promise<void> = Promise.resolve();
  const write = async (change: (data: RegistryData) => void) => {
    const changed = structuredClone(file.data);
    change(changed);
    await file.adapter.write(changed);
    file.data = changed;
  };
  return {
    get data() {
      return file.data;
    },
    update: (change) => {
      const done = last.then(() => write(change));
      last = done.catch(() => {});
      return done;
    },
  };
}

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
      } catch (error) {
        await rm(fresh, { force: true }).catch(() => {});
        throw toStorageError('The registry', error);
      }
    },
  };
}

function parseRegistry(text: string, path: string): RegistryData {
  try {
    return registrySchema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${path} cannot be understood: ${(error as Error).message}`);
  }
}
