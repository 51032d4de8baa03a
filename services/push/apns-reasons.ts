/** Apple's reasons for refusing a push: the table of "Handling notification responses from APNs". */

/** The meaning of a reason. */
export type ApnsVerdict =
  /** A temporary failure. */
  | 'retry'
  /** The registration is invalid. */
  | 'unregistered'
  /** The token, the key or the certificate belongs to the other of Apple's two environments. */
  | 'environment'
  /** The provider token is too old. */
  | 'expired-token'
  /** The settings are wrong, and every push fails until they are corrected. */
  | 'credential'
  /** The app's id in the settings, or in the registration, is wrong. */
  | 'topic'
  /** This request is invalid. */
  | 'request';

export const APNS_REASONS = {
  BadCollapseId: 'request',
  BadDeviceToken: 'environment',
  BadExpirationDate: 'request',
  BadMessageId: 'request',
  BadPriority: 'request',
  BadTopic: 'topic',
  DeviceTokenNotForTopic: 'unregistered',
  DuplicateHeaders: 'request',
  IdleTimeout: 'retry',
  InvalidPushType: 'request',
  MissingDeviceToken: 'request',
  MissingTopic: 'topic',
  PayloadEmpty: 'request',
  TopicDisallowed: 'topic',
  BadCertificate: 'credential',
  BadCertificateEnvironment: 'environment',
  // Apple uses both spellings, in the table and in answers.
  BadEnvironmentKeyIdInToken: 'environment',
  BadEnvironmentKeyInToken: 'environment',
  ExpiredProviderToken: 'expired-token',
  Forbidden: 'credential',
  InvalidProviderToken: 'credential',
  MissingProviderToken: 'credential',
  UnrelatedKeyIdInToken: 'credential',
  BadPath: 'request',
  MethodNotAllowed: 'request',
  ExpiredToken: 'unregistered',
  Unregistered: 'unregistered',
  PayloadTooLarge: 'request',
  TooManyProviderTokenUpdates: 'retry',
  TooManyRequests: 'retry',
  InternalServerError: 'retry',
  ServiceUnavailable: 'retry',
  Shutdown: 'retry',
} as const satisfies Record<string, ApnsVerdict>;

const TOO_MANY_REQUESTS = 429;
const SERVER_ERRORS = 500;

/** An answer whose reason is not in the table is judged by its status. */
export function judgeAnswer(status: number, reason: string | undefined): ApnsVerdict {
  if (reason !== undefined && Object.hasOwn(APNS_REASONS, reason))
    return APNS_REASONS[reason as keyof typeof APNS_REASONS];
  if (status === TOO_MANY_REQUESTS || status >= SERVER_ERRORS) return 'retry';
  return status === 410 ? 'unregistered' : status === 403 ? 'credential' : 'request';
}

/** The minimum interval between provider tokens: "no more than once every 20 minutes". */
export const PROVIDER_TOKEN_MIN_MS = 20 * 60_000;
