/** Tokens with which a notification's button answers a request without a credential. Only their digests are stored. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PushRecord } from '../ports/outbox.js';

const TOKEN_BYTES = 32;
/** For a push that another daemon sends again: the buttons of the earlier one also work. */
const MAX_DIGESTS = 4;
/** A notification has no space for more. */
const MAX_DECISIONS = 4;

export interface MadeTokens {
  tokens: Record<string, string>;
  /** Includes earlier digests. */
  digests: NonNullable<PushRecord['actions']>;
}

/** Creates one token for each decision. */
export function makeTokens(decisions: readonly string[], known: PushRecord['actions'] = {}): MadeTokens {
  const tokens: Record<string, string> = {};
  const digests: Record<string, readonly string[]> = { ...known };
  for (const decision of decisions.slice(0, MAX_DECISIONS)) {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    tokens[decision] = token;
    const before = Object.hasOwn(known, decision) ? (known[decision] ?? []) : [];
    digests[decision] = [...before, digestOf(token)].slice(-MAX_DIGESTS);
  }
  return { tokens, digests };
}

/** Whether the token belongs to this push and decision. In constant time. */
export function isTokenOf({ actions = {} }: Pick<PushRecord, 'actions'>, decision: string, token: string): boolean {
  const given = Buffer.from(digestOf(token), 'hex');
  const known = Object.hasOwn(actions, decision) ? (actions[decision] ?? []) : [];
  return known.some((digest) => {
    const one = Buffer.from(digest, 'hex');
    return one.length === given.length && timingSafeEqual(one, given);
  });
}

/** The row after a token for this decision was used. */
export function withoutTokens(push: PushRecord, decision: string): PushRecord {
  const { [decision]: _, ...others } = push.actions ?? {};
  return { ...push, actions: others };
}

const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');
