import type { SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from './records.js';

export type PushPlatform = 'ios' | 'web' | 'ntfy';
/** The subject of a push. */
export type PushKind =
  | 'permission'
  | 'question'
  | 'plan'
  | 'turn_complete'
  | 'turn_failed'
  | 'limit'
  | 'given_up'
  | 'budget'
  | 'digest'
  | 'withdrawal'
  | 'security'
  | 'webhook'
  | 'test';

/** The push address of a device. */
export interface PushRegistration {
  device: DeviceRef;
  platform: PushPlatform;
  /** APNs: hexadecimal; Web Push: the subscription as JSON; ntfy: the topic. */
  token: string;
  environment: 'production' | 'sandbox';
  bundleId?: string;
  /** 32 bytes, base64: the app decrypts what must be hidden from Apple. */
  encryptionKey?: string;
  /** Epoch milliseconds. */
  registeredAt: number;
}

/** What title, subtitle and body say, for a device that says it in the language of its person. */
export interface PushWords {
  /** Of the wording. */
  name: string;
  values: Readonly<Record<string, string | number>>;
  /** The body is words of a person, a file or Claude: the same in every language. */
  isQuoted: boolean;
}

/** The message shown to a person. */
export interface PushMessage {
  /** The id of the outbox row; a repeated attempt has the same. */
  pushId: string;
  kind: PushKind;
  sessionId: SessionId | undefined; // undefined for digest and test
  seq: number | undefined; // of the event
  title: string; // project
  subtitle: string; // what
  body: string;
  /** Absent where it takes back another one. */
  words?: PushWords;
  /** The request, for kinds that wait for an answer, with its options (labels of a question). */
  permissionId?: string;
  options?: readonly string[];
  /** One-time tokens by decision ('allow' | 'deny' | 'always'). */
  actionTokens?: Readonly<Record<string, string>>;
  /** A newer push with the same id replaces the older one on the device. ≤ 64 bytes. */
  collapseId: string;
  /** Number of items that wait for the person. */
  badge: number;
  /** Expiry in epoch milliseconds. */
  expiresAt: number;
}

/** The result of one attempt. Reasons are the service's own words where available. */
export type SendOutcome =
  | {
      kind: 'accepted';
      id?: string;
      note?: string /* e.g. body was cut */;
      environment?: 'production' | 'sandbox' /* corrected mix-up */;
    }
  /** `detail` is only for the log. */
  | { kind: 'retry'; reason: string; detail?: string; afterMs?: number }
  | { kind: 'failed'; reason: string }
  /** The registration is void; with `since` (epoch ms) only if it is not newer than that. */
  | { kind: 'unregistered'; reason: string; since?: number };

export interface PushSender {
  readonly platform: PushPlatform;
  /** Never rejects. `signal` aborts a running attempt. */
  send(registration: PushRegistration, message: PushMessage): Promise<SendOutcome>;
  /** Why it cannot send, and the remedy; undefined when it can. */
  readonly problem: { message: string; remedy: string } | undefined;
  close(): Promise<void>;
}
