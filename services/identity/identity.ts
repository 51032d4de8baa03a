import type { DeviceRef, UserId } from '../ports/records.js';
import { AccessTokens, type TokenKeys } from './access-tokens.js';
import { DeviceCredentials, type Grant, type NewDevice, type Revocation } from './device-credentials.js';
import { Devices } from './devices.js';
import { Keys } from './keys.js';
import { type Invitation, PairingCodes, Tickets } from './one-time-codes.js';
import { Passwords } from './passwords.js';
import { People } from './people.js';
import { ALL_SCOPES, type IsVoid, type Principal } from './principal.js';
import type { RegistryFile } from './registry-file.js';
import { digestOf, isSameDigest, newSecret } from './secrets.js';

export interface IdentityOptions {
  registry: RegistryFile;
  keys: TokenKeys;
  /** `AUTH_TOKEN`: an owner's credential in addition to the one in the registry. */
  authToken?: string;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
  /** Receives what was revoked: its connections must end. */
  onRevoked: (isVoid: IsVoid) => void;
  /** A refresh token was used twice: there is a second holder. */
  onReused: (device: DeviceRef, name: string | undefined) => void;
}

/** `void`: revoked or expired. `unknown`: never valid. */
export type Refusal = 'void' | 'unknown';

/** People, their devices and their credentials. */
export class Identity {
  readonly people: People;
  readonly devices: Devices;
  readonly keys: Keys;
  readonly codes: PairingCodes;
  readonly tickets: Tickets;
  readonly #options: IdentityOptions;
  readonly #tokens: AccessTokens;
  readonly #credentials: DeviceCredentials;
  readonly #authDigest: string | undefined;

  constructor(options: IdentityOptions) {
    const { registry, keys, now, authToken } = options;
    this.#options = options;
    this.people = new People({ registry, passwords: new Passwords(), now });
    this.devices = new Devices({ registry, now });
    this.codes = new PairingCodes({ now });
    this.tickets = new Tickets({ now });
    this.#tokens = new AccessTokens({ keys, now });
    const onRevoked = (isVoid: IsVoid) => this.#revoke(isVoid);
    this.#credentials = new DeviceCredentials({ ...options, tokens: this.#tokens, onRevoked });
    this.keys = new Keys({ registry, now, onRevoked });
    this.#authDigest = authToken === undefined ? undefined : digestOf(authToken);
  }

  /** The owner, for a caller on the local socket. */
  get local(): Principal {
    return { userId: this.people.owner.userId as UserId, credential: 'local', scopes: ALL_SCOPES };
  }

  /** Whether any credential exists that could connect. */
  get hasCredential(): boolean {
    const { devices, users, keys } = this.#options.registry.data;
    const isOpen = users.some(({ tokenDigest }) => tokenDigest !== undefined);
    const isHeld = keys.length > 0 || devices.some(({ family }) => family !== undefined);
    return this.#authDigest !== undefined || isOpen || isHeld;
  }

  /** Creates a new owner's token and voids the earlier one. Only its digest is stored: it must be shown now. */
  async makeToken(): Promise<string> {
    const token = newSecret();
    await this.#options.registry.update(({ users }) => {
      for (const user of users) if (user.role === 'owner') user.tokenDigest = digestOf(token);
    });
    this.#revoke(({ credential }) => credential === 'token');
    return token;
  }

  /** The holder of this credential. Compares digests in constant time. */
  async authenticate(token: string): Promise<Principal | Refusal> {
    const digest = digestOf(token);
    const owner = { userId: this.people.owner.userId as UserId, scopes: ALL_SCOPES };
    if (this.#authDigest !== undefined && isSameDigest(digest, this.#authDigest))
      return { ...owner, credential: 'setting' };
    const { tokenDigest } = this.people.owner;
    if (tokenDigest !== undefined && isSameDigest(digest, tokenDigest))
      return { ...owner, credential: 'token', digest };
    const holder = this.keys.principalOf(digest);
    if (holder) return holder;
    const claims = await this.#tokens.verify(token, digest);
    return typeof claims === 'string' ? claims : this.#credentials.principalOf(claims);
  }

  /** Whether an accepted credential still would be: it can have been revoked while a body was in transit. */
  isCurrent(principal: Principal): boolean {
    if (principal.credential === 'token') return principal.digest === this.people.owner.tokenDigest;
    if (principal.credential === 'key') return this.keys.isCurrent(principal);
    return principal.credential !== 'device' || this.#credentials.isCurrent(principal);
  }

  /** Redeems this ticket and returns its holder. */
  redeem(ticket: string): Principal | 'unknown' {
    const principal = this.tickets.redeem(ticket);
    return principal && this.isCurrent(principal) ? principal : 'unknown';
  }

  /** The owner of a refresh token, valid or used. */
  refreshOwner(token: string): UserId | undefined {
    return this.#credentials.ownerOf(token);
  }

  /** Quick check for a possible credential: false for a text that cannot be one. */
  mayKnow(token: string): boolean {
    const digest = digestOf(token);
    const fixed = [this.#authDigest, this.people.owner.tokenDigest];
    const isFixed = fixed.some((known) => known !== undefined && isSameDigest(digest, known));
    return isFixed || this.keys.knows(digest) || this.#tokens.mayBe(token);
  }

  /** Admits a device whose person has logged in. */
  admit(device: NewDevice): Promise<Grant> {
    return this.#credentials.grant(device);
  }

  /** Admits a device with a code. Undefined for an invalid code. `isBlocked`: its sender has guessed too often. */
  pair(code: string, device: Omit<NewDevice, 'userId' | 'scopes'>, isBlocked: boolean): Promise<Grant | undefined> {
    const use = (invitation: Invitation) => this.#credentials.grant({ ...device, ...invitation });
    return this.codes.redeem(code, { use, isBlocked });
  }

  refresh(token: string, requestId: string | undefined): Promise<Grant | undefined> {
    return this.#credentials.refresh(token, requestId);
  }

  /** Revokes the device at once, whichever credential admitted it. Resolves to whether it was known. */
  revoke(device: DeviceRef, how: Revocation): Promise<boolean> {
    return this.#credentials.revoke(device, how);
  }

  /** Revokes the person and all of the person's devices at once. */
  async removePerson(email: string): Promise<UserId> {
    const userId = (await this.people.remove(email)).userId as UserId;
    this.codes.forget(userId);
    this.#revoke((principal) => principal.userId === userId);
    return userId;
  }

  #revoke(isVoid: IsVoid): void {
    this.tickets.revoke(isVoid);
    this.#options.onRevoked(isVoid);
  }
}
