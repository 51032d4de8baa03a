/** The push address of a device. */

import * as z from 'zod';
import { parseJson } from './json.js';
import { pushPreferencesSchema } from './push-preferences.js';
import { fieldSchema, requiredFieldSchema } from './scalars.js';

const platformSchema = z.enum(['ios', 'web', 'ntfy']);
type Platform = z.infer<typeof platformSchema>;

const KEY_BYTES = 32;
const P256_POINT_BYTES = 65;
const AUTH_BYTES = 16;

const isBase64url = (text: string, bytes: number): boolean =>
  /^[\w-]+={0,2}$/.test(text) && decodedBytes(text) === bytes;

const decodedBytes = (text: string): number => Math.floor((text.replace(/=+$/, '').length * 3) / 4);

/** 32 bytes take 43 digits and, usually, one padding character. */
const isKey = (text: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(text) && decodedBytes(text) === KEY_BYTES;

const isHttps = (text: string): boolean => URL.canParse(text) && new URL(text).protocol === 'https:';

/** The output of `PushSubscription.toJSON()`. */
const subscriptionSchema = z.object({
  endpoint: z.string().refine(isHttps),
  keys: z.object({
    p256dh: z.string().refine((text) => isBase64url(text, P256_POINT_BYTES)),
    auth: z.string().refine((text) => isBase64url(text, AUTH_BYTES)),
  }),
});

const isSubscription = (text: string): boolean => subscriptionSchema.safeParse(parseJson(text)).success;

const TOKENS: Record<Platform, { isValid: (token: string) => boolean; rule: string }> = {
  ios: {
    isValid: (token) => /^(?:[0-9a-f]{2}){32,100}$/i.test(token),
    rule: 'must be a device token: 64 to 200 hexadecimal digits',
  },
  web: {
    isValid: isSubscription,
    rule: 'must be the subscription as JSON: endpoint (https), keys.p256dh and keys.auth',
  },
  ntfy: {
    isValid: (token) => /^[-_A-Za-z0-9]{1,64}$/.test(token),
    rule: 'must be a topic: 1 to 64 letters, digits, hyphens and underscores',
  },
};

/** `registerDevice`, and `POST /api/push-notifications/register` with its additional fields. */
export const registrationSchema = <Shape extends z.core.$ZodShape>(others: Shape) =>
  z
    .object({
      ...others,
      token: requiredFieldSchema,
      platform: platformSchema,
      environment: z.enum(['production', 'sandbox']).optional(),
      bundleId: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,254}$/, { error: 'must be a bundle id such as org.example.app' })
        .optional(),
      name: fieldSchema.optional(),
      preferences: pushPreferencesSchema.optional(),
      encryptionKey: fieldSchema.refine(isKey, { error: `must be ${KEY_BYTES} bytes in base64` }).optional(),
    })
    .superRefine((registration, context) => {
      const { platform, token } = registration as { platform: Platform; token: string };
      const { isValid, rule } = TOKENS[platform];
      if (!isValid(token)) context.addIssue({ code: 'custom', path: ['token'], message: rule, input: token });
    });
