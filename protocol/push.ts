/** REST of pushes: requests and answers. */
import * as z from 'zod';
import { permissionAnswerFields } from './client-frames.js';
import { pushPreferencesPatchSchema } from './push-preferences.js';
import { registrationSchema } from './push-registration.js';
import { deviceIdSchema, nameSchema, requiredFieldSchema, timestampSchema } from './scalars.js';

export const registerPushSchema = registrationSchema({ deviceId: deviceIdSchema });

export const changePreferencesSchema = z.strictObject({
  deviceId: deviceIdSchema,
  preferences: pushPreferencesPatchSchema,
});

export const testPushSchema = z.strictObject({ deviceId: deviceIdSchema });

/** `PATCH /api/devices/:id`. */
export const patchDeviceSchema = z
  .strictObject({ name: nameSchema.optional(), preferences: pushPreferencesPatchSchema.optional() })
  .refine(({ name, preferences }) => name !== undefined || preferences !== undefined, {
    error: 'at least one of name and preferences must be given',
  });

export const listDeliveriesSchema = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).default(0),
});

/** `POST /api/sessions/:id/permissions/:permissionId`: like the frame `permission`; or with only an action token. */
export const answerPermissionSchema = z.object({
  ...permissionAnswerFields,
  remember: permissionAnswerFields.remember.default(false),
});
export const answerByTokenSchema = z.object({
  response: requiredFieldSchema,
  remember: z.literal(false, { error: 'must be false or absent with an action token' }).optional(),
  actionToken: requiredFieldSchema,
});

const transitionSchema = z.object({ state: z.string(), at: timestampSchema, reason: z.string().optional() });

export const deliverySchema = z.object({
  id: z.string(),
  kind: z.string(),
  deviceId: z.string(),
  sessionId: z.string().nullable(),
  state: z.enum(['owed', 'sending', 'accepted', 'seen', 'suppressed', 'expired', 'failed']),
  at: timestampSchema,
  reason: z.string().optional(),
  attempts: z.int(),
  history: z.array(transitionSchema).describe('Its last 20 states, oldest first.'),
});
export type PushDelivery = z.infer<typeof deliverySchema>;

export const deliveriesSchema = z.object({ deliveries: z.array(deliverySchema), total: z.int() });
export type PushDeliveries = z.infer<typeof deliveriesSchema>;
