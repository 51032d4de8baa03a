import type { DeviceRef, UserId } from '../ports/records.js';
import { AccessTokens } from './access-tokens.js';
import { DeviceCredentials, type Grant, type NewDevice, type Revocation } from './device-credentials.js';
import { Devices } from './devices.js';
import { type Invitation, PairingCodes } from './pairing-codes.js';
import { Passwords } from './passwords.js';
import { People } from './people.js';
import { ALL_SCOPES, type IsVoid, type Principal } from './principal.js';
import type { RegistryFile } from './registry-file.js';
import { digestOf, isSameDigest, newSecret } from './secrets.js';
import { Tickets } from './tickets.js';
import type { TokenKeys } from './token-keys.js';

export interface IdentityOptions {
  registry: RegistryFile;
  keys: TokenKeys;
  /** `AUTH_TOKEN`: an owner's credential beside the one in the registry. */
  authToken?: string;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
  /** What is void from now on: connections of it are to end. */
  onRevoked: (isVoid: IsVoid) => void;
  /** A refresh token was used twice: somebody else has a copy. */
  onReused: (device: DeviceRef, name: string | undefined) => void;
}

/** `void`: it was good once, and is revoked or expired. `unknown`: it never was. */
export type Refusal = 'void' | 'unknown';

/** People, their devices and their credentials. */
export class Identity {
  readonly people: People;
  readonly devices: Devices;
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
    this.#authDigest = authToken === undefined ? undefined : digestOf(authToken);
  }

  /** The owner, for who has opened the local socket. */
  get local(): Principal {
    return { userId: this.people.owner.userId as UserId, credential: 'local', scopes: ALL_SCOPES };
  }

  /** Whether there is a credential with which somebody could connect. */
  get hasCredential(): boolean {
    const { devices, users } = this.#options.registry.data;
    const isOpen = users.some(({ tokenDigest }) => tokenDigest !== undefined);
    return this.#authDigest !== undefined || isOpen || devices.some(({ family }) => family !== undefined);
  }

  /** Makes a new owner's token; one made before is void. Only its digest is kept: it is shown now or never. */
  async makeToken(): Promise<string> {
    const token = newSecret();
    await this.#options.registry.update(({ users }) => {
      for (const user of users) if (user.role === 'owner') user.tokenDigest = digestOf(token);
    });
    this.#revoke(({ credential }) => credential === 'token');
    return token;
  }

  /** Whose credential this is. Compares digests, in constant time. */
  async authenticate(token: string): Promise<Principal | Refusal> {
    const digest = digestOf(token);
    const owner = { userId: this.people.owner.userId as UserId, scopes: ALL_SCOPES };
    if (this.#authDigest !== undefined && isSameDigest(digest, this.#authDigest))
      return { ...owner, credential: 'setting' };
    const { tokenDigest } = this.people.owner;
    if (tokenDigest !== undefined && isSameDigest(digest, tokenDigest))
      return { ...owner, credential: 'token', digest };
    const claims = await this.#tokens.verify(token, digest);
    return typeof claims === 'string' ? claims : this.#credentials.principalOf(claims);
  }

  /** Whether what once let somebody in still would: it may have been revoked since, while a body was on its way. */
  isCurrent(principal: Principal): boolean {
    if (principal.credential === 'token') return principal.digest === this.people.owner.tokenDigest;
    return principal.credential !== 'device' || this.#credentials.isCurrent(principal);
  }

  /** Who has this ticket, which is used up. */
  redeem(ticket: string): Principal | 'unknown' {
    const principal = this.tickets.redeem(ticket);
    return principal && this.isCurrent(principal) ? principal : 'unknown';
  }

  /** Whose refresh token it is, good or used. */
  refreshOwner(token: string): UserId | undefined {
    return this.#credentials.ownerOf(token);
  }

  /** Whether it may be a credential: false for what cannot be one, told at once. */
  mayKnow(token: string): boolean {
    const digest = digestOf(token);
    const fixed = [this.#authDigest, this.people.owner.tokenDigest];
    return fixed.some((known) => known !== undefined && isSameDigest(digest, known)) || this.#tokens.mayBe(token);
  }

  /** Lets a device in: its person has logged in. */
  admit(device: NewDevice): Promise<Grant> {
    return this.#credentials.grant(device);
  }

  /** Lets the device in that has a code. Undefined for a code that is not good. `isOut`: whoever sends it has guessed too often. */
  pair(code: string, device: Omit<NewDevice, 'userId' | 'scopes'>, isOut: boolean): Promise<Grant | undefined> {
    const use = (invitation: Invitation) => this.#credentials.grant({ ...device, ...invitation });
    return this.codes.redeem(code, { use, isOut });
  }

  refresh(token: string, requestId: string | undefined): Promise<Grant | undefined> {
    return this.#credentials.refresh(token, requestId);
  }

  /** The device is out at once, whoever let it in. Resolves to whether it was known. */
  revoke(device: DeviceRef, how: Revocation): Promise<boolean> {
    return this.#credentials.revoke(device, how);
  }

  /** The person and all devices of theirs are out at once. */
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
