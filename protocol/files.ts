/** Files of a session's directory over REST. */
import * as z from 'zod';
import { MAX_FILE_WRITE_BYTES } from './limits.js';
import { decodedLength, fieldSchema, requiredFieldSchema, timestampSchema, utf8Length } from './scalars.js';

const MAX_PATTERN = 128;

export const listFilesSchema = z.object({
  path: fieldSchema.default(''),
  recursive: z.enum(['true', 'false']).default('false'),
  pattern: requiredFieldSchema.max(MAX_PATTERN, { error: `must be at most ${MAX_PATTERN} characters` }).optional(),
});

const encodingSchema = z.enum(['utf-8', 'base64']);
export type FileEncoding = z.infer<typeof encodingSchema>;

const base64Schema = z.base64();

interface Content {
  content: string;
  encoding: FileEncoding;
}

/** Size in bytes once written to the file. */
const contentLength = ({ content, encoding }: Content): number =>
  encoding === 'base64' ? decodedLength(content) : utf8Length(content);

const canBeDecoded = ({ content, encoding }: Content): boolean =>
  encoding === 'base64' ? base64Schema.safeParse(content).success : !/\p{Cs}/u.test(content);

export const writeFileSchema = z
  .object({ content: z.string(), encoding: encodingSchema.default('utf-8') })
  .refine((body) => contentLength(body) <= MAX_FILE_WRITE_BYTES, {
    path: ['content'],
    error: `must be at most ${MAX_FILE_WRITE_BYTES} bytes, decoded`,
    params: { tooLarge: true },
    abort: true,
  })
  .refine(canBeDecoded, { path: ['content'], error: 'must be text in its encoding: whole characters, or base64' });

const fileEntrySchema = z.object({
  /** Relative to the session's directory. */
  path: z.string(),
  name: z.string(),
  type: z.enum(['file', 'directory']),
  /** Only for files. */
  size: z.int().optional(),
  modifiedAt: timestampSchema.optional(),
});
export type FileEntry = z.infer<typeof fileEntrySchema>;

export const fileListSchema = z.object({
  files: z.array(fileEntrySchema),
  /** The listed folder, absolute. */
  basePath: z.string(),
  /** The list is incomplete. */
  truncated: z.literal(true).optional(),
});
export type FileList = z.infer<typeof fileListSchema>;

export const fileInfoSchema = z.object({
  path: z.string(),
  size: z.int(),
  mimeType: z.string(),
  modifiedAt: timestampSchema,
});
export type FileInfo = z.infer<typeof fileInfoSchema>;

export const fileContentSchema = fileInfoSchema.extend({ content: z.string(), encoding: encodingSchema });
export type FileContent = z.infer<typeof fileContentSchema>;
