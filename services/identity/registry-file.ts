import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Adapter, Low } from 'lowdb';
import * as z from 'zod';
import { BrokenFileError, parseJsonFile } from '../../disk/json-fault.js';
import { writeWhole } from '../../disk/write-whole.js';
import { scopeSchema } from '../../protocol/access.js';
import { toStorageError } from '../../protocol/failures.js';
import type { KeyLimits } from '../../protocol/keys.js';
import { mergeRegistrations } from './push-tokens.js';

const pushRegistrationSchema = z.object({
  token: z.string(),
  platform: z.enum(['ios', 'web', 'ntfy']),
  environment: z.enum(['production', 'sandbox']).optional(),
  bundleId: z.string().optional(),
  encryptionKey: z.string().optional(),
  /** Epoch milliseconds; missing in older registries. */
  registeredAt: z.number().optional(),
});

/** The tokens from one pairing or login: only the newest refresh token is valid. */
const familySchema = z.object({
  familyId: z.string(),
  scopes: z.array(scopeSchema),
  /** The newest refresh token: the number of its predecessors, and its SHA-256 in hexadecimal. */
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
  /** The platform that the device reported. */
  platform: z.string().optional(),
  family: familySchema.optional(),
  /** When and why its credential was revoked. */
  revoked: z.object({ at: z.number(), reason: z.string() }).optional(),
  push: pushRegistrationSchema.optional(),
  preferences: z.record(z.string(), z.unknown()).optional(),
});
export type DeviceEntry = z.infer<typeof deviceSchema>;

const limitSchema = z.number().optional();
const keySchema = z.object({
  keyId: z.string(),
  userId: z.string(),
  name: z.string(),
  scopes: z.array(scopeSchema),
  /** SHA-256 of the key, in hexadecimal. */
  digest: z.string(),
  limits: z
    .object({
      prompts: limitSchema,
      files: limitSchema,
      reads: limitSchema,
      frames: limitSchema,
      connections: limitSchema,
      sessions: limitSchema,
    } satisfies Record<keyof KeyLimits, z.ZodType>)
    .optional(),
  /** Epoch milliseconds. */
  createdAt: z.number(),
  expiresAt: z.number().optional(),
  /** To the hour. */
  lastUsedAt: z.number().optional(),
});
export type KeyEntry = z.infer<typeof keySchema>;

/** The address of an owner without one. */
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
  /** Missing in older registries. */
  keys: z.array(keySchema).default([]),
});
export type RegistryData = z.infer<typeof registrySchema>;

/** People and devices: a few kilobytes that an owner can read and edit by hand. */
export interface RegistryFile {
  readonly data: Readonly<RegistryData>;
  /**
   * Applies `change` to a copy and writes that, one update at a time; writes nothing when it returns `false`. Rejects
   * with `STORAGE_FULL` and then changes nothing.
   */
  update(change: (data: RegistryData) => unknown): Promise<void>;
  /** Like `update`, but takes effect even when the write fails: that rejects, and the write is retried until done. */
  insist(change: (data: RegistryData) => void): Promise<void>;
}

/**
 * Opens the registry, or creates and writes one with an owner, so that the owner is stable from the first start on.
 * `ownerId`: called when there is none, so that a lost registry does not cost the owner's sessions. Throws
 * `BrokenFileError` when it is invalid.
 */
export async function openRegistryFile(path: string, ownerId: () => string = newId): Promise<RegistryFile> {
  const initial: RegistryData = { users: [], devices: [], keys: [] };
  const file = new Low<RegistryData>(jsonFile(path), initial);
  await file.read();
  if (file.data === initial) {
    initial.users.push({ userId: ownerId(), role: 'owner', email: OWNER_EMAIL, createdAt: Date.now() });
    await file.write();
  }
  // Only in memory: the next change writes it, and a full disk must not prevent the start.
  mergeRegistrations(file.data.devices);
  let last: Promise<void> = Promise.resolve();
  const inTurn = (task: () => Promise<void>) => {
    const done = last.then(task);
    // The caller gets the failure; the next update runs all the same.
    last = done.catch(() => {});
    return done;
  };
  const writeSooner = () => {
    // The caller was told of the first failure.
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

const newId = (): string => randomUUID();

/** Retry interval for a write that must not be lost. */
const RETRY_MS = 2000;

/** Written to a draft and renamed, readable only by its owner (lowdb's own adapter leaves the mode to the umask). */
function jsonFile(path: string): Adapter<RegistryData> {
  return {
    read: async () => {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      return text === null ? null : parseRegistry(text, path);
    },
    write: (data) =>
      writeWhole(path, `${JSON.stringify(data, null, 2)}\n`).catch((error: unknown) => {
        throw toStorageError('The registry', error);
      }),
  };
}

/** Throws `BrokenFileError`: a file edited by hand has other errors than a machine's. */
function parseRegistry(text: string, path: string): RegistryData {
  const parsed = registrySchema.safeParse(parseJsonFile(text, path, REMEDY));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new BrokenFileError(`${path} cannot be used: ${issue?.path.join('.')}: ${issue?.message}. ${REMEDY}.`);
  }
  const problem = problemOf(parsed.data);
  if (problem !== undefined) throw new BrokenFileError(`${path} cannot be used: ${problem}. ${REMEDY}.`);
  return parsed.data;
}

const REMEDY = 'Repair, restore or remove it. After a removal, every device must be paired again';

/** Checks that a schema of the single parts cannot express. */
function problemOf({ users, devices, keys }: RegistryData): string | undefined {
  const owners = users.filter(({ role }) => role === 'owner').length;
  if (owners !== 1) return `users must have exactly one owner, but has ${owners}`;
  const twice =
    repeated(users.map(({ userId }) => userId)) ??
    repeated(users.map(({ email }) => email.trim().toLowerCase())) ??
    repeated(devices.map(({ userId, deviceId }) => `${deviceId} of ${userId}`)) ??
    repeated(devices.flatMap(({ family }) => (family ? [family.familyId] : []))) ??
    repeated(keys.map(({ keyId }) => keyId));
  if (twice !== undefined) return `${JSON.stringify(twice)} is there twice`;
  const known = new Set(users.map(({ userId }) => userId));
  const device = devices.find(({ userId }) => !known.has(userId));
  if (device) return `the device ${JSON.stringify(device.deviceId)} belongs to no person in users`;
  const key = keys.find(({ userId }) => !known.has(userId));
  return key && `the key ${JSON.stringify(key.name)} belongs to no person in users`;
}

function repeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}
