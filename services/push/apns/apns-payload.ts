/**
 * Composes a push for Apple's service. After "Sending notification requests to APNs" and "Generating a remote
 * notification".
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import type { PushKind, PushMessage, PushRegistration } from '../../ports/push.js';
import { deepLink, fitContent, isWaiting, tokensInClear } from '../message/fit-content.js';

/** Apple refuses a larger payload. */
export const MAX_PAYLOAD_BYTES = 4096;

/** The visible part of an encrypted push, for Apple and for viewers of a locked screen. */
const HIDDEN_ALERT = 'Claude needs you';

const IMMEDIATELY = 10;
const POWER_SAVING = 5;
const SECOND_MS = 1000;

/** One request: headers by meaning, and the payload. */
export interface ApnsNotification {
  pushType: 'alert' | 'background';
  priority: 5 | 10;
  collapseId: string;
  /** Epoch seconds. */
  expiration: number;
  payload: Record<string, unknown>;
  /** The omitted parts, if any. */
  note?: string;
}

/** Categories of the app's buttons: plans are allowed or denied as tools are. */
const CATEGORIES: Partial<Record<PushKind, string>> = {
  permission: 'PERMISSION_REQUEST',
  plan: 'PERMISSION_REQUEST',
  question: 'QUESTION',
  turn_complete: 'TURN_COMPLETE',
  turn_failed: 'TURN_COMPLETE',
  limit: 'TURN_COMPLETE',
};

/** The order in a summary: from 0 to 1. */
const RELEVANCE: Record<PushKind, number> = {
  permission: 1,
  question: 1,
  plan: 1,
  turn_failed: 0.75,
  limit: 0.75,
  given_up: 0.75,
  budget: 0.75,
  turn_complete: 0.5,
  digest: 0.5,
  security: 1,
  webhook: 0.75,
  test: 0.25,
  withdrawal: 0,
};

/** The notification for a device, or the problem of its registration. `actions`: tokens that Apple can read. */
export function composeApns(
  { encryptionKey }: PushRegistration,
  message: PushMessage,
  actions: 'encrypted' | 'clear',
): ApnsNotification | { problem: string } {
  const headers = { collapseId: message.collapseId, expiration: Math.floor(message.expiresAt / SECOND_MS) };
  if (message.kind === 'withdrawal')
    return { ...headers, pushType: 'background', priority: POWER_SAVING, payload: withdrawal(message) };
  const alert = { ...headers, pushType: 'alert', priority: IMMEDIATELY } as const;
  if (encryptionKey === undefined) return { ...alert, ...readable(message, actions) };
  const key = parseEncryptionKey(encryptionKey);
  // Falling back to a readable push would reveal to Apple what the person wanted to hide.
  if (!key) return { problem: 'encryptionKey is not 32 bytes in base64' };
  return { ...alert, ...sealed(message, key) };
}

/** The app removes the notification; the badge is included twice, since the app is not always woken. */
const withdrawal = (message: PushMessage): Record<string, unknown> => ({
  aps: { 'content-available': 1, badge: message.badge },
  pushId: message.pushId,
  kind: message.kind,
  withdraw: message.collapseId,
  badge: message.badge,
  ...(message.sessionId !== undefined && { sessionId: message.sessionId }),
});

type Body = Pick<ApnsNotification, 'payload' | 'note'>;

function readable(message: PushMessage, actions: 'encrypted' | 'clear'): Body {
  const envelope = (alert: Record<string, string>, rest: object) => ({ ...payloadOf(message, alert), ...rest });
  // The content's envelope has the same names except `alert`, so the sum of both is never too small.
  const room = MAX_PAYLOAD_BYTES - bytesOf(envelope({}, {}));
  const { content, note } = fitContent(message, tokensInClear(message.actionTokens, actions), room);
  const { options, actionTokens, ...texts } = content;
  const alert = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ''));
  return {
    payload: envelope(alert, { ...(options && { options }), ...(actionTokens && { actionTokens }) }),
    ...(note !== undefined && { note }),
  };
}

function sealed(message: PushMessage, key: Buffer): Body {
  const envelope = (enc: string) => ({ ...payloadOf(message, { body: HIDDEN_ALERT }), enc });
  const room = sealedRoom(MAX_PAYLOAD_BYTES - bytesOf(envelope('')));
  const { content, note } = fitContent(message, message.actionTokens && { ...message.actionTokens }, room);
  return { payload: envelope(sealText(key, JSON.stringify(content))), ...(note !== undefined && { note }) };
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

function payloadOf(message: PushMessage, alert: Record<string, string>): Record<string, unknown> {
  const { kind, sessionId, seq, permissionId } = message;
  const category = CATEGORIES[kind];
  const url = deepLink(message);
  return {
    aps: {
      alert,
      badge: message.badge,
      sound: 'default',
      'mutable-content': 1,
      'interruption-level': isWaiting(kind) ? 'time-sensitive' : 'active',
      'relevance-score': RELEVANCE[kind],
      ...(sessionId !== undefined && { 'thread-id': sessionId }),
      ...(category !== undefined && { category }),
    },
    pushId: message.pushId,
    kind,
    collapseId: message.collapseId,
    ...(sessionId !== undefined && { sessionId }),
    ...(seq !== undefined && { seq }),
    ...(permissionId !== undefined && { permissionId }),
    ...(url !== undefined && { url }),
  };
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The key of a registration, or undefined when it is not 32 bytes in base64. */
function parseEncryptionKey(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.length === KEY_BYTES ? key : undefined;
}

/**
 * base64(nonce 12 ‖ ciphertext ‖ tag 16) of AES-256-GCM, which CryptoKit opens as the `combined` form of a sealed box.
 * The nonce is random: a registration's key is used for far fewer pushes than the 2^32 that this permits.
 */
function sealText(key: Buffer, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

/** The number of text bytes that fit when the sealed form can take `maxBytes`; negative when none do. */
const sealedRoom = (maxBytes: number): number => Math.floor(maxBytes / 4) * 3 - NONCE_BYTES - TAG_BYTES;
