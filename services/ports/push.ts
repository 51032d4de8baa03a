import type { SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from './records.js';

export type PushPlatform = 'ios' | 'web' | 'ntfy';
/** What a push is about. */
export type PushKind =
  | 'permission'
  | 'question'
  | 'plan'
  | 'turn_complete'
  | 'turn_failed'
  | 'limit'
  | 'given_up'
  | 'digest'
  | 'withdrawal'
  | 'security'
  | 'test';

/** Where a device wants to be reached. */
export interface PushRegistration {
  device: DeviceRef;
  platform: PushPlatform;
  /** APNs: hexadecimal; Web Push: the subscription as JSON; ntfy: the topic. */
  token: string;
  environment: 'production' | 'sandbox';
  bundleId?: string;
  /** 32 bytes, base64: the app decrypts what Apple shall not read. */
  encryptionKey?: string;
  /** Epoch milliseconds. */
  registeredAt: number;
}

/** What a person shall be shown. */
export interface PushMessage {
  /** Of the row in the outbox; a repeated sending has the same. */
  pushId: string;
  kind: PushKind;
  sessionId: SessionId | undefined; // undefined for digest and test
  seq: number | undefined; // of the event
  title: string; // project
  subtitle: string; // what
  body: string;
  /** The request, for kinds that wait for an answer, with its options (labels of a question). */
  permissionId?: string;
  options?: readonly string[];
  /** One-time tokens by decision ('allow' | 'deny' | 'always'). */
  actionTokens?: Readonly<Record<string, string>>;
  /** Same id: the newer replaces the older on the device. ≤ 64 bytes. */
  collapseId: string;
  /** Things that wait for the person. */
  badge: number;
  /** Epoch milliseconds after which nobody wants it any more. */
  expiresAt: number;
}

/** What became of one attempt. Reasons are the service's own words where it has some. */
export type SendOutcome =
  | {
      kind: 'accepted';
      id?: string;
      note?: string /* e.g. body was cut */;
      environment?: 'production' | 'sandbox' /* corrected mix-up */;
    }
  /** `detail` is for the log alone. */
  | { kind: 'retry'; reason: string; detail?: string; afterMs?: number }
  | { kind: 'failed'; reason: string }
  /** The registration is void; `since` (epoch ms): only when it is not newer than that. */
  | { kind: 'unregistered'; reason: string; since?: number };

export interface PushSender {
  readonly platform: PushPlatform;
  /** Never rejects. `signal` ends an attempt that is under way. */
  send(registration: PushRegistration, message: PushMessage): Promise<SendOutcome>;
  /** What keeps it from sending, and the remedy; undefined when it could. */
  readonly problem: { message: string; remedy: string } | undefined;
  close(): Promise<void>;
}
