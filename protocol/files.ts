/** Files of a session's directory over REST. */
import * as z from 'zod';
import { MAX_FILE_WRITE_BYTES, MAX_LISTED_FILES } from './limits.js';
import { NOT_BOTH, notBoth, pageFields, pageShape } from './pages.js';
import { decodedLength, fieldSchema, requiredFieldSchema, timestampSchema, utf8Length } from './scalars.js';

const MAX_PATTERN = 128;

export const listFilesSchema = z.object({
  path: fieldSchema.default(''),
  recursive: z.enum(['true', 'false']).default('false'),
  pattern: requiredFieldSchema.max(MAX_PATTERN, { error: `must be at most ${MAX_PATTERN} characters` }).optional(),
  ignored: z
    .enum(['true', 'false'])
    .default('false')
    .describe('`true`: a recursive list also has what `.gitignore` leaves out, and `.git`.'),
  limit: z.coerce.number().int().min(1).max(MAX_LISTED_FILES).default(MAX_LISTED_FILES),
  offset: z.coerce.number().int().min(0).default(0),
});

/** `GET /api/sessions/:id/files/*path`. */
export const readFileSchema = z.object({
  raw: z
    .enum(['true', 'false'])
    .default('false')
    .describe('`true`: the bytes of the file, of any size, with its media type. `Range` is supported.'),
});

/** `DELETE /api/sessions/:id/files/*path`. */
export const removeFileSchema = z.object({
  permanent: z.enum(['true', 'false']).default('false').describe('`true`: it cannot be restored.'),
});

/** `GET /api/sessions/:id/diff`. */
export const sessionDiffSchema = z.object({
  path: requiredFieldSchema.optional().describe('Only at and below this path in the directory of the session.'),
});

const diffFileSchema = z.object({
  path: z.string().describe("Relative to the session's directory, or absolute when it is not below that."),
  status: z.enum(['added', 'deleted', 'modified']).optional().describe('Only with `source` `git`.'),
  additions: z.int(),
  deletions: z.int(),
  omitted: z.enum(['binary', 'large', 'unknown']).optional().describe('Why its lines are not compared.'),
});

export const sessionDiffViewSchema = z.object({
  sessionId: z.string(),
  source: z.enum(['git', 'turns']).describe('`git`: what is not committed. `turns`: what its turns have changed.'),
  base: z.string().optional().describe('The commit; absent before the first one.'),
  files: z.array(diffFileSchema),
  patch: z.string().describe("A unified diff in git's form; of `turns` one of each turn, oldest first."),
  truncated: z.boolean().describe('Files or parts of the patch are missing.'),
});
export type SessionDiff = z.infer<typeof sessionDiffViewSchema>;

/** The form of the id of a deleted file. */
export const TRASH_ID = /^[0-9a-z]{9}-[0-9a-f]{16}$/;

export const listTrashSchema = z.object(pageFields).refine(notBoth, NOT_BOTH);

export const restoreFileSchema = z.object({
  to: requiredFieldSchema.optional().describe('A path in the directory of the session, instead of where it was.'),
});

const trashedFileSchema = z.object({
  trashId: z.string(),
  path: z.string().describe('Where it was.'),
  type: z.enum(['file', 'directory']),
  size: z.int(),
  deletedAt: timestampSchema,
  expiresAt: timestampSchema.describe('It is removed then, or earlier when the trash is full.'),
  deviceId: z.string().describe('The device that deleted it.'),
});

export const trashListSchema = z.object({ files: z.array(trashedFileSchema), ...pageShape });
export type TrashList = z.infer<typeof trashListSchema>;

export const restoredFileSchema = z.object({
  success: z.literal(true),
  path: z.string(),
  type: z.enum(['file', 'directory']),
  size: z.int(),
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
  path: z.string().describe("Relative to the session's directory."),
  name: z.string(),
  type: z.enum(['file', 'directory']),
  size: z.int().optional().describe('Only for files.'),
  modifiedAt: timestampSchema.optional(),
});
export type FileEntry = z.infer<typeof fileEntrySchema>;

export const fileListSchema = z.object({
  files: z.array(fileEntrySchema),
  basePath: z.string().describe('The listed folder, absolute.'),
  total: z.int().describe('All that were found.'),
  truncated: z.literal(true).optional().describe('The list is incomplete: there are more pages, or too many entries.'),
});
export type FileList = z.infer<typeof fileListSchema>;

export const fileInfoSchema = z.object({
  path: z.string(),
  size: z.int(),
  mimeType: z.string(),
  modifiedAt: timestampSchema,
  version: z.string().describe('Another one after each write: the `ETag` of the file.'),
});
export type FileInfo = z.infer<typeof fileInfoSchema>;

export const fileContentSchema = fileInfoSchema.extend({ content: z.string(), encoding: encodingSchema });
export type FileContent = z.infer<typeof fileContentSchema>;
