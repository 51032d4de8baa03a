/** Composes the messages that senders deliver to devices. */
import type { EventData } from '../../protocol/events.js';
import type { PushBody } from '../../protocol/push-preferences.js';
import { utf8Length } from '../../protocol/scalars.js';
import type { PushMessage } from '../ports/push.js';
import { collapseIdOf, DIGEST_COLLAPSE_ID, SECURITY_COLLAPSE_ID, TEST_COLLAPSE_ID } from './collapse-ids.js';
import { type Concern, isWaiting, type WaitingConcern } from './concerns.js';
import type { OwedResult } from './push-digest.js';
import { digestWording, securityWording, TEST_WORDING, withdrawalWording, wordingOf } from './push-wording.js';

/** The metadata of a message. */
export interface Envelope {
  pushId: string;
  badge: number;
  /** Epoch milliseconds. */
  expiresAt: number;
}

const PLACELESS = { sessionId: undefined, seq: undefined } as const;

/** In total, in bytes. An answer must match one of them exactly, so they are not cut but omitted as a whole. */
const MAX_OPTIONS_BYTES = 1024;

const optionsOf = ({ request: { options } }: WaitingConcern): readonly string[] =>
  options.reduce((sum, option) => sum + utf8Length(option), 0) <= MAX_OPTIONS_BYTES ? options : [];

/** For one event. The sender's caller adds tokens for its actions. */
export function composePush(
  concern: Concern,
  words: { project: string; body: PushBody },
  envelope: Envelope,
): PushMessage {
  const { kind, sessionId, seq } = concern;
  return {
    ...envelope,
    kind,
    sessionId,
    seq,
    ...wordingOf(concern, words),
    ...(isWaiting(concern) && { permissionId: concern.request.permissionId, options: optionsOf(concern) }),
    collapseId: collapseIdOf(concern),
  };
}

/** For two results or more, of different sessions. */
export const composeDigest = (results: readonly OwedResult[], envelope: Envelope): PushMessage => ({
  ...envelope,
  ...PLACELESS,
  kind: 'digest',
  ...digestWording(results),
  collapseId: DIGEST_COLLAPSE_ID,
});

export interface Resolved {
  concern: WaitingConcern;
  project: string;
  decision: EventData<'permissionResolved'>['decision'];
}

/** Replaces the push about the request. */
export const composeWithdrawal = ({ concern, project, decision }: Resolved, envelope: Envelope): PushMessage => ({
  ...envelope,
  kind: 'withdrawal',
  sessionId: concern.sessionId,
  seq: concern.seq,
  ...withdrawalWording(project, decision),
  permissionId: concern.request.permissionId,
  collapseId: collapseIdOf(concern),
});

export const composeSecurity = (deviceName: string, envelope: Envelope): PushMessage => ({
  ...envelope,
  ...PLACELESS,
  kind: 'security',
  ...securityWording(deviceName),
  collapseId: SECURITY_COLLAPSE_ID,
});

export const composeTest = (envelope: Envelope): PushMessage => ({
  ...envelope,
  ...PLACELESS,
  kind: 'test',
  ...TEST_WORDING,
  collapseId: TEST_COLLAPSE_ID,
});
