import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { nanoid } from 'nanoid';
import { CompanionError } from '../../protocol/error-codes.js';
import type { HookRecord, HookStore } from '../ports/hooks.js';
import type { UserId } from '../ports/records.js';
import { namesIn } from './template.js';

export interface HooksOptions {
  store: HookStore;
  /** A secret of the daemon. */
  mac: Buffer;
  now: () => number;
}

/** How a program shows that it knows the secret: the secret itself, or a signature of the body. */
export interface Shown {
  bearer: string | undefined;
  signature: string | undefined;
  body: Buffer;
}

/** What a person can change; what is undefined stays. */
export interface HookChange extends Partial<Pick<HookRecord, 'name' | 'target' | 'scopes'>> {
  template?: string | undefined;
  /** `null`: none. */
  signature?: 'github' | null | undefined;
  enabled?: boolean | undefined;
}

/** Of one person; a higher number is a mistake. */
const MAX_HOOKS = 100;
/** Scanners of secrets and people recognise a secret by it. */
const PREFIX = 'cch_';

/**
 * Addresses for other programs. The secret of a hook is derived from a key of the daemon, so that signatures can be
 * checked although only its digest is kept.
 */
export class Hooks {
  readonly #options: HooksOptions;
  #read: Map<string, HookRecord> | undefined;

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  list(userId: UserId): HookRecord[] {
    return [...this.#hooks.values()].filter((hook) => hook.userId === userId);
  }

  find(hookId: string): HookRecord | undefined {
    return this.#hooks.get(hookId);
  }

  /** Throws `NOT_FOUND`. */
  require(userId: UserId, hookId: string): HookRecord {
    const found = this.find(hookId);
    if (found?.userId === userId) return found;
    throw new CompanionError('NOT_FOUND', 'There is no such hook.', { field: 'id' });
  }

  /** Throws `INVALID_REQUEST` for a template that is none, and `CONFLICT` when the person has too many. */
  add(given: Omit<HookRecord, 'hookId' | 'digest' | 'createdAt' | 'lastUsedAt'>): { hook: HookRecord; secret: string } {
    namesIn(given.template);
    if (this.list(given.userId).length >= MAX_HOOKS) {
      throw new CompanionError('CONFLICT', `A person has at most ${MAX_HOOKS} hooks.`, {
        suggestion: 'Delete hooks that are no longer used.',
      });
    }
    const hookId = `hook_${nanoid()}`;
    const secret = this.#secretOf({ hookId });
    const hook = { hookId, ...given, digest: digestOf(secret), createdAt: this.#options.now() };
    this.#keep(hook);
    return { hook, secret };
  }

  /** Throws `INVALID_REQUEST` for a template that is none. */
  change(before: HookRecord, { signature, enabled, ...change }: HookChange): HookRecord {
    if (change.template !== undefined) namesIn(change.template);
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    return this.#keep({
      ...before,
      ...given,
      ...(signature !== undefined && { signature: signature ?? undefined }),
      ...(enabled !== undefined && { disabled: enabled ? undefined : true }),
    });
  }

  /** Another secret, from now on; who asked for it answers for what is sent with it. */
  rotate(before: HookRecord, scopes: HookRecord['scopes']): { hook: HookRecord; secret: string } {
    const next = { ...before, scopes, rotations: (before.rotations ?? 0) + 1 };
    const secret = this.#secretOf(next);
    return { hook: this.#keep({ ...next, digest: digestOf(secret) }), secret };
  }

  remove({ hookId }: HookRecord): void {
    this.#options.store.remove(hookId);
    this.#hooks.delete(hookId);
  }

  forgetPerson(userId: UserId): void {
    this.#options.store.forgetPerson(userId);
    for (const { hookId } of this.list(userId)) this.#hooks.delete(hookId);
  }

  /** Whether its sender knows the secret, in constant time. A hook that wants a signature takes nothing else. */
  isShown(hook: HookRecord, shown: Shown): boolean {
    const { signature, digest } = hook;
    if (signature === undefined) return isSame(digestOf(shown.bearer ?? ''), digest);
    const secret = this.#secretOf(hook);
    if (!isSame(digestOf(secret), digest)) return false;
    return isSame(shown.signature ?? '', `sha256=${createHmac('sha256', secret).update(shown.body).digest('hex')}`);
  }

  used({ hookId }: HookRecord): void {
    // It can have been changed while the prompt was taken.
    const present = this.#hooks.get(hookId);
    if (present) this.#keep({ ...present, lastUsedAt: this.#options.now() });
  }

  #keep(hook: HookRecord): HookRecord {
    this.#options.store.write(hook);
    this.#hooks.set(hook.hookId, hook);
    return hook;
  }

  get #hooks(): Map<string, HookRecord> {
    this.#read ??= new Map(this.#options.store.readAll().map((hook) => [hook.hookId, hook]));
    return this.#read;
  }

  #secretOf({ hookId, rotations }: Pick<HookRecord, 'hookId' | 'rotations'>): string {
    const name = rotations === undefined ? `hook ${hookId}` : `hook ${hookId} ${rotations}`;
    return PREFIX + createHmac('sha256', this.#options.mac).update(name).digest('base64url');
  }
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** By digests of equal length, so that the time says nothing. */
const isSame = (one: string, other: string): boolean => timingSafeEqual(sum(one), sum(other));
const sum = (text: string): Buffer => createHash('sha256').update(text).digest();
