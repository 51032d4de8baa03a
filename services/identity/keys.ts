import { nanoid } from 'nanoid';
import type { Scope } from '../../protocol/access.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { KeyLimits } from '../../protocol/keys.js';
import type { UserId } from '../ports/records.js';
import type { IsVoid, Principal } from './principal.js';
import type { KeyEntry, RegistryFile } from './registry-file.js';
import { digestOf, isSameDigest, newSecret } from './secrets.js';

export interface KeysOptions {
  registry: RegistryFile;
  now: () => number;
  /** Receives what was revoked: its connections must end. */
  onRevoked: (isVoid: IsVoid) => void;
}

export interface NewKey {
  userId: UserId;
  name: string;
  scopes: readonly Scope[];
  limits?: KeyLimits | undefined;
  /** Epoch milliseconds; absent: it never expires. */
  expiresAt?: number | undefined;
}

/** Scanners of secrets and people recognise a key by it. */
const PREFIX = 'cck_';
/** Per person; a higher number is a mistake. */
const MAX_KEYS = 100;
/** The last use is recorded no more often, in milliseconds: each record is a write of the registry. */
const USE_MS = 3_600_000;

/** Credentials of scripts: they belong to no device, last until they are revoked or expire, and have limits of their own. */
export class Keys {
  readonly #options: KeysOptions;
  /** By key id; epoch milliseconds. */
  readonly #used = new Map<string, number>();
  readonly #writtenAt = new Map<string, number>();

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  /** Of one person, or of all. */
  list(userId?: UserId): readonly Readonly<KeyEntry>[] {
    const { keys } = this.#options.registry.data;
    return keys
      .filter((entry) => userId === undefined || entry.userId === userId)
      .map((entry) => ({ ...entry, ...this.#lastUse(entry) }));
  }

  /** Only a digest of the secret is stored: it must be shown now. Rejects with `CONFLICT` when the name is taken. */
  async add({ userId, name, scopes, limits, expiresAt }: NewKey): Promise<{ entry: KeyEntry; secret: string }> {
    const { registry, now } = this.#options;
    const secret = `${PREFIX}${newSecret()}`;
    const entry: KeyEntry = {
      keyId: `key_${nanoid(12)}`,
      userId,
      name,
      scopes: [...new Set(scopes)],
      digest: digestOf(secret),
      ...(limits && { limits }),
      createdAt: now(),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    await registry.update((data) => {
      const theirs = data.keys.filter((one) => one.userId === userId);
      // The person can have been removed since the request was accepted.
      if (!data.users.some((user) => user.userId === userId)) throw new CompanionError('NOT_FOUND', 'No such person.');
      if (theirs.some((one) => one.name === name)) {
        throw new CompanionError('CONFLICT', 'The person has a key of this name already.', { field: 'name' });
      }
      if (theirs.length >= MAX_KEYS) {
        const suggestion = 'Revoke keys that are no longer used.';
        throw new CompanionError('CONFLICT', `A person has at most ${MAX_KEYS} keys.`, { suggestion });
      }
      data.keys.push(entry);
    });
    return { entry, secret };
  }

  /**
   * Revokes a key at once, of this person or of anyone. Resolves to the key; rejects with `NOT_FOUND`, and with
   * `STORAGE_FULL` when it is revoked but that could not yet be written.
   */
  async revoke(keyId: string, userId?: UserId): Promise<Readonly<KeyEntry>> {
    const entry = this.list(userId).find((one) => one.keyId === keyId);
    if (!entry) throw new CompanionError('NOT_FOUND', 'There is no such key.', { field: 'id' });
    const { registry, onRevoked } = this.#options;
    try {
      await registry.insist((data) => {
        data.keys = data.keys.filter((one) => one.keyId !== keyId);
      });
    } finally {
      this.#used.delete(keyId);
      this.#writtenAt.delete(keyId);
      onRevoked(({ key }) => key?.keyId === keyId);
    }
    return entry;
  }

  /** The holder of a key with this digest. `void`: it has expired. */
  principalOf(digest: string): Principal | 'void' | undefined {
    const entry = this.#find(digest);
    if (!entry) return undefined;
    const { keyId, userId, scopes, limits, expiresAt } = entry;
    if (this.#isExpired(entry)) return 'void';
    this.#noteUse(entry);
    return {
      userId: userId as UserId,
      credential: 'key',
      scopes: new Set(scopes),
      key: { keyId, ...(limits && { limits }) },
      ...(expiresAt !== undefined && { expiresAt }),
    };
  }

  /** Whether there is a key with this digest. */
  knows(digest: string): boolean {
    return this.#find(digest) !== undefined;
  }

  /** Whether a key that was accepted still would be. */
  isCurrent({ key }: Principal): boolean {
    const entry = this.#options.registry.data.keys.find(({ keyId }) => keyId === key?.keyId);
    return entry !== undefined && !this.#isExpired(entry);
  }

  #find(digest: string): Readonly<KeyEntry> | undefined {
    return this.#options.registry.data.keys.find((entry) => isSameDigest(digest, entry.digest));
  }

  #isExpired({ expiresAt }: KeyEntry): boolean {
    return expiresAt !== undefined && expiresAt <= this.#options.now();
  }

  #lastUse({ keyId, lastUsedAt }: KeyEntry): Pick<KeyEntry, 'lastUsedAt'> {
    const at = this.#used.get(keyId) ?? lastUsedAt;
    return at === undefined ? {} : { lastUsedAt: at };
  }

  #noteUse({ keyId, lastUsedAt = 0 }: KeyEntry): void {
    const { registry, now } = this.#options;
    const at = now();
    this.#used.set(keyId, at);
    if (at - Math.max(lastUsedAt, this.#writtenAt.get(keyId) ?? 0) < USE_MS) return;
    this.#writtenAt.set(keyId, at);
    registry
      .update(({ keys }) => {
        const entry = keys.find((one) => one.keyId === keyId);
        if (!entry) return false;
        entry.lastUsedAt = at;
        return true;
      })
      // It is for display only, and the next hour brings another.
      .catch(() => {});
  }
}
