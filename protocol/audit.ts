/** The audit log: who did what, on what, and from where. */
import * as z from 'zod';
import { pageFields, pageShape } from './pages.js';
import { deviceIdSchema, timestampSchema } from './scalars.js';

export const AUDIT_ACTIONS = [
  'start',
  'stop',
  'prompt',
  'approve',
  'interrupt',
  'close',
  'read',
  'write',
  'pair',
  'login',
  'refresh',
  'logout',
  'revoke',
  'refused',
  'settings',
  'tool',
  'users',
] as const;
/** The audit log's name for an action. */
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

const momentSchema = z.iso.datetime({ offset: true, error: 'must be a time (2027-01-31T12:00:00Z)' });

/** `GET /api/audit`. */
export const listAuditSchema = z
  .object({
    action: z.enum(AUDIT_ACTIONS, { error: `must be one of ${AUDIT_ACTIONS.join(', ')}` }).optional(),
    deviceId: deviceIdSchema.optional().describe('The device that acted, or that was affected.'),
    since: momentSchema.optional().describe('At this time or later.'),
    until: momentSchema.optional().describe('Before this time.'),
    limit: pageFields.limit,
    cursor: pageFields.cursor,
  })
  .refine(({ since, until }) => since === undefined || until === undefined || Date.parse(since) < Date.parse(until), {
    path: ['until'],
    error: 'must be after since',
  });
export type ListAudit = z.infer<typeof listAuditSchema>;

const auditEntrySchema = z.object({
  at: timestampSchema,
  action: z.string(),
  outcome: z.string().describe('`ok`, or the code of the refusal.'),
  userId: z.string().optional().describe('The person who acted.'),
  deviceId: z.string().optional(),
  credential: z.string().optional().describe('Its kind, or the id of a key; never the credential.'),
  address: z.string().optional().describe('Of the client, or `local`.'),
  requestId: z.string().optional(),
  targetUserId: z.string().optional().describe('The person affected, or the owner of the affected device.'),
  targetDeviceId: z.string().optional(),
  sessionId: z.string().optional(),
  permissionId: z.string().optional(),
  path: z.string().optional().describe('SHA-256 of the path of a file.'),
  tool: z.string().optional().describe('A tool of an MCP server that Claude has called.'),
  digest: z.string().optional().describe('SHA-256 of what was said, read or written.'),
});
export type AuditView = z.infer<typeof auditEntrySchema>;

export const auditPageSchema = z.object({
  entries: z.array(auditEntrySchema).describe('The newest first.'),
  limit: pageShape.limit,
  hasMore: pageShape.hasMore,
  nextCursor: pageShape.nextCursor.describe('Absent on the last page. Others can have fewer entries than `limit`.'),
});
export type AuditPage = z.infer<typeof auditPageSchema>;

/** What a line of the log has that is one. */
export const parseAuditLine = (line: unknown): AuditView | undefined => auditEntrySchema.safeParse(line).data;
