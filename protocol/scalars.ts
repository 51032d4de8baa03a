import * as z from 'zod';
import {
  MAX_ATTACHMENTS,
  MAX_ATTACHMENTS_BYTES,
  MAX_FIELD_BYTES,
  MAX_JSON_DEPTH,
  MAX_PROMPT_BYTES,
  MAX_TOOL_RULES,
} from './limits.js';

/** Length of a string as UTF-8, without encoding it. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7ff) bytes += 2;
    else if (unit > 0x7f) bytes += 1;
    if (unit >= 0xd800 && unit <= 0xdbff && isLowSurrogate(text.charCodeAt(at + 1))) {
      bytes -= 1;
      at += 1;
    }
  }
  return bytes;
}

const isLowSurrogate = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

/** Marks a size rule, so that breaking it gives `PAYLOAD_TOO_LARGE`. */
const TOO_LARGE = { tooLarge: true } as const;

const fits = (text: string, max: number) => text.length * 3 <= max || utf8Length(text) <= max;

const boundedText = (max: number) =>
  z.string().refine((text) => fits(text, max), { error: `must be at most ${max} bytes`, params: TOO_LARGE });

/** Any text field: up to 64 KiB. */
export const fieldSchema = boundedText(MAX_FIELD_BYTES);
/** A text field that must not be empty. */
export const requiredFieldSchema = fieldSchema.refine((text) => text.length > 0, { error: 'must not be empty' });

/** Limits the value's size as JSON text, by default to that of a field. */
export const withinBytes = <Schema extends z.ZodType>(schema: Schema, max = MAX_FIELD_BYTES) =>
  schema.refine((value) => fits(JSON.stringify(value), max), {
    error: `must be at most ${max} bytes as JSON`,
    params: TOO_LARGE,
  });

const isWithinDepth = (value: unknown, depth: number): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (depth > 0 && Object.values(value).every((part) => isWithinDepth(part, depth - 1)));

/** An object with arbitrary content of a bounded depth. */
export const plainObjectSchema = z
  .record(z.string(), z.unknown())
  .refine((value) => isWithinDepth(value, MAX_JSON_DEPTH), {
    error: `must be nested at most ${MAX_JSON_DEPTH} deep`,
    abort: true,
  });
/** The same: up to 64 KiB as JSON. */
export const jsonObjectSchema = withinBytes(plainObjectSchema);
/** Texts, lists of texts, numbers and truth values by name: up to 64 KiB together. */
export const answersSchema = withinBytes(
  z.record(
    z.string(),
    z.union([z.string(), z.array(z.string()), z.number(), z.boolean()], {
      error: 'must be a string, a list of strings, a number or a boolean',
    }),
  ),
);
export type Answers = z.infer<typeof answersSchema>;

export const promptTextSchema = boundedText(MAX_PROMPT_BYTES);

export const sessionIdSchema = requiredFieldSchema.brand<'SessionId'>();
export type SessionId = z.infer<typeof sessionIdSchema>;
export const promptIdSchema = requiredFieldSchema.brand<'PromptId'>();
export type PromptId = z.infer<typeof promptIdSchema>;
export const permissionIdSchema = requiredFieldSchema.brand<'PermissionId'>();
export type PermissionId = z.infer<typeof permissionIdSchema>;
export const deviceIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: 'must be 1 to 64 characters of A-Z a-z 0-9 . _ -' })
  .brand<'DeviceId'>();
export type DeviceId = z.infer<typeof deviceIdSchema>;
/** A conversation of the CLI. */
export const claudeSessionIdSchema = z.uuid({ error: 'must be the UUID of a conversation' }).brand<'ClaudeSessionId'>();
export type ClaudeSessionId = z.infer<typeof claudeSessionIdSchema>;

const MAX_NAME = 100;
const isOneLine = (text: string): boolean => /^[^\p{Cc}\u2028\u2029]+$/u.test(text);

/** One displayable line. */
export const nameSchema = z
  .string()
  .trim()
  .max(MAX_NAME, { error: `must be at most ${MAX_NAME} characters` })
  .refine(isOneLine, { error: 'must be one line of text' });

/** In characters. */
export const MAX_TAG = MAX_NAME;
/** The tag of a conversation; empty: none. */
export const tagSchema = z
  .string()
  .trim()
  .max(MAX_TAG, { error: `must be at most ${MAX_TAG} characters` })
  .refine((text) => text === '' || isOneLine(text), { error: 'must be one line of text' });

export const seqSchema = z.int().nonnegative();
export const timestampSchema = z.iso.datetime({ precision: 3 });

const PERMISSION_MODES = ['default', 'acceptEdits', 'plan', 'auto', 'dontAsk', 'bypassPermissions'] as const;
export const permissionModeSchema = z.enum(PERMISSION_MODES);
export type PermissionMode = z.infer<typeof permissionModeSchema>;

const SESSION_STATUSES = ['starting', 'idle', 'working', 'waiting', 'hibernated', 'closed', 'error'] as const;
export const sessionStatusSchema = z.enum(SESSION_STATUSES);
export type SessionStatus = z.infer<typeof sessionStatusSchema>;

export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'] as const;

const attachmentSchema = z.object({
  mediaType: z.enum(IMAGE_TYPES),
  data: z.base64({ error: 'must be base64' }).min(1, { error: 'must not be empty' }),
  name: fieldSchema.optional(),
});
export type Attachment = z.infer<typeof attachmentSchema>;

/** Decoded length of a base64 text in bytes. */
export const decodedLength = (base64: string): number =>
  Math.floor((base64.length * 3) / 4) - (base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0);

export const attachmentsSchema = z
  .array(attachmentSchema)
  .max(MAX_ATTACHMENTS)
  .refine((list) => list.reduce((sum, { data }) => sum + decodedLength(data), 0) <= MAX_ATTACHMENTS_BYTES, {
    error: `must be at most ${MAX_ATTACHMENTS_BYTES} bytes together, decoded`,
    params: TOO_LARGE,
  });

/** A tool as in the CLI's `--allowedTools`, such as `Bash(git *)`; a leading dash would be read as an option. */
const toolRuleSchema = requiredFieldSchema.refine((text) => !text.startsWith('-') && !/[\n\r\0]/.test(text), {
  error: 'must be a tool rule: one line that does not begin with a dash',
});
export const toolRulesSchema = z.array(toolRuleSchema).max(MAX_TOOL_RULES);
export const modelSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:@/[\]-]{0,127}$/, { error: 'must be a model name or alias of the CLI' });
