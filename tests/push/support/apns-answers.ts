/** Apple's reasons for a refusal, with their status and what they mean for a push. */
import type { SendOutcome } from '../../../services/ports/push.js';
import type { APNS_REASONS } from '../../../services/push/apns/apns-sender.js';
import type { ApnsBehaviour } from '../../support/apns-server.js';

export type Reason = keyof typeof APNS_REASONS;

const STATUS: Partial<Record<Reason, number>> = {
  BadCertificate: 403,
  BadCertificateEnvironment: 403,
  BadEnvironmentKeyIdInToken: 403,
  BadEnvironmentKeyInToken: 403,
  ExpiredProviderToken: 403,
  Forbidden: 403,
  InvalidProviderToken: 403,
  MissingProviderToken: 403,
  UnrelatedKeyIdInToken: 403,
  BadPath: 404,
  MethodNotAllowed: 405,
  ExpiredToken: 410,
  Unregistered: 410,
  PayloadTooLarge: 413,
  TooManyProviderTokenUpdates: 429,
  TooManyRequests: 429,
  InternalServerError: 500,
  ServiceUnavailable: 503,
  Shutdown: 503,
};

/** As Apple says it. */
export const refusalFor = (reason: Reason): Extract<ApnsBehaviour, { kind: 'refuse' }> => ({
  kind: 'refuse',
  status: STATUS[reason] ?? 400,
  reason,
});

export const MEANT: Record<Reason, Exclude<SendOutcome['kind'], 'accepted'>> = {
  BadCollapseId: 'failed',
  BadDeviceToken: 'unregistered',
  BadExpirationDate: 'failed',
  BadMessageId: 'failed',
  BadPriority: 'failed',
  BadTopic: 'failed',
  DeviceTokenNotForTopic: 'unregistered',
  DuplicateHeaders: 'failed',
  IdleTimeout: 'retry',
  InvalidPushType: 'failed',
  MissingDeviceToken: 'failed',
  MissingTopic: 'failed',
  PayloadEmpty: 'failed',
  TopicDisallowed: 'failed',
  BadCertificate: 'failed',
  BadCertificateEnvironment: 'failed',
  BadEnvironmentKeyIdInToken: 'failed',
  BadEnvironmentKeyInToken: 'failed',
  ExpiredProviderToken: 'retry',
  Forbidden: 'failed',
  InvalidProviderToken: 'failed',
  MissingProviderToken: 'failed',
  UnrelatedKeyIdInToken: 'failed',
  BadPath: 'failed',
  MethodNotAllowed: 'failed',
  ExpiredToken: 'unregistered',
  Unregistered: 'unregistered',
  PayloadTooLarge: 'failed',
  TooManyProviderTokenUpdates: 'retry',
  TooManyRequests: 'retry',
  InternalServerError: 'retry',
  ServiceUnavailable: 'retry',
  Shutdown: 'retry',
};

export const meanings = Object.entries(MEANT) as [Reason, (typeof MEANT)[Reason]][];
