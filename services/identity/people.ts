import { randomUUID } from 'node:crypto';
import { CompanionError } from '../../protocol/error-codes.js';
import type { UserId } from '../ports/records.js';
import type { Passwords } from './passwords.js';
import type { RegistryFile, UserEntry } from './registry-file.js';

export interface PeopleOptions {
  registry: RegistryFile;
  passwords: Passwords;
  now: () => number;
}

/** The people who can have sessions here. There is always one owner; all others are added by hand. */
export class People {
  readonly #options: PeopleOptions;

  constructor(options: PeopleOptions) {
    this.#options = options;
  }

  get all(): readonly Readonly<UserEntry>[] {
    return this.#options.registry.data.users;
  }

  get owner(): Readonly<UserEntry> {
    const owner = this.all.find(({ role }) => role === 'owner');
    if (!owner) throw new Error('the registry has no owner');
    return owner;
  }

  find(userId: UserId): Readonly<UserEntry> | undefined {
    return this.all.find((user) => user.userId === userId);
  }

  /** By e-mail address; throws `NOT_FOUND`. */
  require(email: string): Readonly<UserEntry> {
    const found = this.#byEmail(email);
    if (found) return found;
    throw new CompanionError('NOT_FOUND', 'There is no such person.', { field: 'email' });
  }

  /** Whether one more password from this origin would be checked. */
  hasRoom(origin: string): boolean {
    return this.#options.passwords.hasRoom(origin);
  }

  /**
   * The person with this password; undefined, after the same time, when there is none. `origin`: where the request
   * comes from. Rejects with `RATE_LIMITED` when too many wait.
   */
  async login(email: string, password: string, origin: string): Promise<Readonly<UserEntry> | undefined> {
    const user = this.#byEmail(email);
    const isRight = await this.#options.passwords.verify(password, user?.passwordHash, origin);
    // The password can have been changed, or the person removed, meanwhile.
    return isRight && user?.passwordHash === this.#byEmail(email)?.passwordHash ? this.#byEmail(email) : undefined;
  }

  /** Rejects with `CONFLICT` when the address is taken. */
  async add({
    email,
    name,
    password,
  }: {
    email: string;
    name?: string | undefined;
    password: string;
  }): Promise<UserEntry> {
    const { registry, passwords, now } = this.#options;
    const entry: UserEntry = {
      userId: randomUUID(),
      role: 'member',
      email,
      ...(name !== undefined && { name }),
      passwordHash: await passwords.hash(password),
      createdAt: now(),
    };
    await registry.update(({ users }) => {
      if (users.some((user) => normalEmail(user.email) === normalEmail(email))) {
        throw new CompanionError('CONFLICT', 'Another person already has this address.', { field: 'email' });
      }
      users.push(entry);
    });
    return entry;
  }

  async setPassword(email: string, password: string): Promise<Readonly<UserEntry>> {
    const { userId } = this.require(email);
    const passwordHash = await this.#options.passwords.hash(password);
    await this.#options.registry.update(({ users }) => {
      const user = users.find((one) => one.userId === userId);
      if (user) user.passwordHash = passwordHash;
    });
    return this.require(email);
  }

  /** A removable person; throws `NOT_FOUND`, and `CONFLICT` for the owner. */
  requireMember(email: string): Readonly<UserEntry> {
    const user = this.require(email);
    if (user.role === 'member') return user;
    throw new CompanionError('CONFLICT', 'The owner cannot be removed.', { field: 'email' });
  }

  /** Also removes all devices and keys of the person. */
  async remove(email: string): Promise<Readonly<UserEntry>> {
    const user = this.requireMember(email);
    await this.#options.registry.update((data) => {
      data.users = data.users.filter(({ userId }) => userId !== user.userId);
      data.devices = data.devices.filter(({ userId }) => userId !== user.userId);
      data.keys = data.keys.filter(({ userId }) => userId !== user.userId);
    });
    return user;
  }

  #byEmail(email: string): Readonly<UserEntry> | undefined {
    const wanted = normalEmail(email);
    return this.all.find((user) => normalEmail(user.email) === wanted);
  }
}

/** Keyboards encode the same letter in two ways, and the owner can have edited the registry by hand. */
const normalEmail = (email: string): string => email.trim().normalize('NFC').toLowerCase();
