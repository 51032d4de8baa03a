/** REST of credentials: requests and answers. */
import * as z from 'zod';
import { scopeSchema } from './access.js';
import { deviceIdSchema, nameSchema, requiredFieldSchema, timestampSchema } from './scalars.js';

const MAX_EMAIL = 254;
const MIN_PASSWORD = 10;
const MAX_PASSWORD = 1024;

export const emailSchema = z
  .string()
  .trim()
  .normalize()
  .toLowerCase()
  .max(MAX_EMAIL)
  .regex(/^[^\s@]+@[^\s@]+$/, { error: 'must be an e-mail address' });

/** The rules for a new password; an existing one only has to match. */
const newPasswordSchema = z
  .string()
  .min(MIN_PASSWORD, { error: `must have at least ${MIN_PASSWORD} characters` })
  .max(MAX_PASSWORD, { error: `must have at most ${MAX_PASSWORD} characters` });

/** The device's platform, for display only. */
const platformNameSchema = z.string().regex(/^[A-Za-z0-9._ -]{1,32}$/, {
  error: 'must be 1 to 32 letters, digits, dots, spaces, hyphens and underscores',
});

const deviceFields = {
  deviceName: nameSchema,
  platform: platformNameSchema,
  deviceId: deviceIdSchema
    .optional()
    .describe('The id of a device that had a credential before and keeps its cursors and its push registration.'),
};

const MAX_CODE = 64;
export const pairSchema = z.object({ code: z.string().min(1).max(MAX_CODE), ...deviceFields });
export const loginSchema = z.object({
  email: emailSchema,
  password: z.string().min(1).max(MAX_PASSWORD),
  deviceName: deviceFields.deviceName.default('unnamed'),
  platform: deviceFields.platform.default('unknown'),
  deviceId: deviceFields.deviceId,
});
const MAX_REFRESH_TOKEN = 512;
export const refreshSchema = z.object({
  refreshToken: z.string().min(1).max(MAX_REFRESH_TOKEN),
  requestId: requiredFieldSchema
    .optional()
    .describe('A retry with the same id can send the same token again when the answer was lost.'),
});

const userSchema = z.object({ id: z.string(), email: z.string(), name: z.string().optional() });
export type UserView = z.infer<typeof userSchema>;

/** Answer to `pair` and `login`; `refresh` has no user. */
export const grantSchema = z.object({
  deviceId: z.string(),
  accessToken: z.string(),
  refreshToken: z.string(),
  expiresAt: timestampSchema.describe('Expiry of the access token.'),
  scopes: z.array(scopeSchema),
  user: userSchema,
});
export type GrantView = z.infer<typeof grantSchema>;
export type RefreshView = Omit<GrantView, 'user'>;

/** `GET /api/auth/methods`. */
export const authMethodsSchema = z.object({
  password: z.boolean().describe('Whether there are people with a password; every person can pair a device by a code.'),
});
export type AuthMethods = z.infer<typeof authMethodsSchema>;

export const ticketSchema = z.object({ ticket: z.string(), expiresAt: timestampSchema });
export type TicketView = z.infer<typeof ticketSchema>;
export const meSchema = z.object({
  user: userSchema,
  role: z.enum(['owner', 'member']),
  deviceId: z.string().optional(),
  scopes: z.array(scopeSchema),
  expiresAt: timestampSchema.optional(),
});
export type MeView = z.infer<typeof meSchema>;

/** `POST /local/pair`, for the command `pair`. */
export const openPairingSchema = z.object({
  user: emailSchema.optional(),
  scopes: z.array(scopeSchema).min(1, { error: 'must name at least one scope' }).optional(),
  browser: z.boolean().optional().describe('The link is for a browser, not for the app.'),
});
export const pairingSchema = z.object({
  url: z.string().describe('The URL that the app or a browser opens, also encoded in the QR code.'),
  code: z.string(),
  expiresAt: timestampSchema,
  qr: z.string().describe('The QR code, in terminal characters.'),
  note: z.string().optional().describe("The setting to change when no other device can reach the URL's address."),
});
export type PairingView = z.infer<typeof pairingSchema>;

/** `/local/users`, for the command `users`. */
export const addUserSchema = z.object({ email: emailSchema, name: nameSchema.optional(), password: newPasswordSchema });
export const changeUserSchema = z.object({ password: newPasswordSchema });
export const personSchema = z.object({
  ...userSchema.shape,
  role: z.enum(['owner', 'member']),
  hasPassword: z.boolean(),
  devices: z.int(),
  createdAt: timestampSchema.optional(),
});
export type PersonView = z.infer<typeof personSchema>;
export const peopleSchema = z.object({ users: z.array(personSchema) });

/** `GET /api/devices`. */
export const deviceViewSchema = z.object({
  id: z.string(),
  deviceId: z.string(),
  name: z.string().optional(),
  platform: z.string().optional(),
  paired: z.boolean().describe('Whether it has a credential of its own.'),
  scopes: z.array(scopeSchema).optional(),
  pairedAt: timestampSchema.optional(),
  lastSeenAt: timestampSchema.optional().describe('When its credential was last renewed.'),
  revoked: z
    .object({ at: timestampSchema, reason: z.string() })
    .optional()
    .describe('When and why its credential was revoked.'),
  push: z.string().optional().describe('Its push platform.'),
  preferences: z.record(z.string(), z.unknown()).optional(),
});
export type DeviceView = z.infer<typeof deviceViewSchema>;
export const devicesSchema = z.object({
  devices: z.array(z.object({ ...deviceViewSchema.shape, user: z.string().optional() })),
});
