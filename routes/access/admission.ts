import type { IncomingMessage } from 'node:http';
import type { Need } from '../../protocol/access.js';
import type { Liberties } from '../../protocol/commands/rules.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { type CommandNeed, needOfCommand } from '../../protocol/slash-commands.js';
import type { Identity } from '../../services/identity/identity.js';
import type { Principal } from '../../services/identity/principal.js';
import type { Audit } from '../../services/ports/audit.js';
import { type AddressOf, networkOf } from './client-address.js';
import type { RateLimitError, RateLimits, Tried } from './rate-limits.js';
import type { Credential } from './read-credential.js';

export interface AdmissionOptions {
  identity: Identity;
  limits: RateLimits;
  addressOf: AddressOf;
  audit: Audit;
}

/** Authenticates clients, checks their permissions, and limits failed attempts. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get limits(): RateLimits {
    return this.#options.limits;
  }

  addressOf(request: IncomingMessage): string {
    return this.#options.addressOf(request);
  }

  /**
   * The principal of a credential; undefined without one. Rejects with `UNAUTHORIZED`, or with `RATE_LIMITED` after too
   * many wrong ones from the address: a valid one is still accepted. A revoked or expired credential does not count as
   * a guess.
   */
  async authenticate(credential: Credential | undefined, request: IncomingMessage): Promise<Principal | undefined> {
    if (!credential) return undefined;
    const { identity } = this.#options;
    const found =
      credential.kind === 'ticket' ? identity.redeem(credential.text) : await identity.authenticate(credential.text);
    if (typeof found === 'object') return found;
    if (found === 'unknown') await this.failed(credential.kind, request);
    throw unauthorized(found === 'void' ? 'The credential is expired or revoked.' : undefined);
  }

  /**
   * The refusal of a request whose address has used up its guesses, and whose credential cannot be a known one:
   * immediate, and without checking the credential.
   */
  refusalOf(credential: Credential | undefined, request: IncomingMessage): RateLimitError | undefined {
    const { limits, identity } = this.#options;
    if (credential?.kind !== 'bearer' || !limits.hasBlockedClients) return undefined;
    const refusal = limits.refusalOf('bearer', networkOf(this.addressOf(request)));
    return refusal && !identity.mayKnow(credential.text) ? refusal : undefined;
  }

  /** Whether the address has used up its wrong attempts. */
  isBlocked(kind: Tried, request: IncomingMessage): boolean {
    return this.#options.limits.refusalOf(kind, networkOf(this.addressOf(request))) !== undefined;
  }

  /** Counts a wrong credential, with a delay that grows with their number. Rejects with `RATE_LIMITED`. */
  async failed(kind: Tried, request: IncomingMessage): Promise<void> {
    this.audit(kind, request, await this.#options.limits.failed(kind, networkOf(this.addressOf(request))));
  }

  /**
   * Records a checked wrong credential, and when it was the last one. Unchecked ones are not recorded: their number is
   * unbounded.
   */
  audit(kind: Tried, request: IncomingMessage, isLast: boolean): void {
    const entry = { action: 'refused', credential: kind, address: this.addressOf(request) } as const;
    this.#options.audit.record({ ...entry, outcome: 'UNAUTHORIZED' });
    if (isLast) this.#options.audit.record({ ...entry, outcome: 'RATE_LIMITED' });
  }
}

export const unauthorized = (message = 'The request needs a valid credential.'): CompanionError =>
  new CompanionError('UNAUTHORIZED', message, { suggestion: 'Send it as Authorization: Bearer or x-api-key.' });

/** Throws `PERMISSION_DENIED` where the credential lacks the scope. */
export function requireScope({ scopes }: Principal, need: Need): void {
  if (need === 'credential' || scopes.has(need)) return;
  const rule = `must have a credential with the scope ${need}`;
  throw new CompanionError('PERMISSION_DENIED', `The request ${rule}.`, { rule });
}

/** Granting liberties requires the permission to approve their effects. Throws `PERMISSION_DENIED`. */
export function requireLiberties(principal: Principal, { permissionMode, allowedTools = [] }: Liberties = {}): void {
  if (permissionMode === 'bypassPermissions') requireScope(principal, 'admin');
  const isFree = permissionMode === 'acceptEdits' || permissionMode === 'auto';
  if (isFree || allowedTools.length > 0) requireScope(principal, 'approve');
}

/**
 * A prompt that is a command of the CLI can need more than `prompt`. Throws `PERMISSION_DENIED` with the field. Returns
 * the name of a command for which `prompt` is sufficient as long as it is the CLI's own.
 */
export function requireCommand({ scopes }: Principal, text: string, field: string): string | undefined {
  const need = needOfCommand(text);
  if (!need) return undefined;
  if (!scopes.has(need.scope)) throw refuseCommand(need, field);
  return need.scope === 'prompt' ? need.name : undefined;
}

export function refuseCommand({ name, scope }: CommandNeed, field: string): CompanionError {
  const rule = `must have a credential with the scope ${scope} for the command /${name}`;
  return new CompanionError('PERMISSION_DENIED', `${field}: ${rule}`, {
    field,
    rule,
    suggestion:
      'A prompt that begins with a slash is a command of the CLI. Put a word before the slash to send it as text.',
  });
}
