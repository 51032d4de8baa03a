/** The mapping of records to SQL rows. */
import { cutText } from '../../protocol/cut-text.js';
import type { EventType } from '../../protocol/events.js';
import type { DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { BlobRef } from '../ports/blobs.js';
import type {
  EventRecord,
  PermissionAsk,
  PermissionRecord,
  PromptBody,
  PromptRecord,
  PromptState,
  UserId,
} from '../ports/records.js';

export interface EventRow {
  session_id: string;
  seq: number;
  type: string;
  at: number;
  data: string;
  message_id: string | null;
  child_id: string | null;
  line_offset: number | null;
  line_part: number | null;
  /** Bytes of data of the session's earlier events; NULL in rows that predate this column. */
  bytes_before: number | null;
  /** The `BlobRef` of the full data when `data` is cut. */
  blob: string | null;
}

export const eventOf = (row: EventRow): EventRecord => ({
  seq: row.seq,
  type: row.type as EventType,
  at: row.at,
  data: row.data,
  ...(row.message_id !== null && { messageId: row.message_id }),
  ...(row.blob !== null && { blob: JSON.parse(row.blob) as BlobRef }),
});

export const eventRow = (
  sessionId: SessionId,
  { seq, type, at, data, messageId, line, blob }: EventRecord,
): Omit<EventRow, 'bytes_before'> => ({
  session_id: sessionId,
  seq,
  type,
  at,
  data,
  message_id: messageId ?? null,
  child_id: line?.childId ?? null,
  line_offset: line?.offset ?? null,
  line_part: line?.part ?? null,
  blob: blob === undefined ? null : JSON.stringify(blob),
});

export interface SessionRow {
  session_id: string;
  head: number;
  record: string;
  /** Number of the commit that wrote it; NULL in rows that predate this column. */
  commits: number | null;
  /** The smallest seq from which no event is missing; NULL for 1. */
  first: number | null;
}

export interface PromptRow {
  prompt_id: string;
  session_id: string;
  user_id: string;
  device_id: string;
  request_id: string | null;
  uuid: string;
  state: string;
  mode: string;
  announced: number;
  text: string;
  /** A `PromptBody`; versions without blobs wrote the attachments themselves, as a list. */
  attachments: string | null;
  answer: string;
  outcome: string | null;
  created_at: number;
  ended_at: number | null;
}

export const promptOf = (row: PromptRow): PromptRecord => ({
  promptId: row.prompt_id as PromptId,
  sessionId: row.session_id as SessionId,
  device: { userId: row.user_id as UserId, deviceId: row.device_id as DeviceId },
  requestId: row.request_id,
  uuid: row.uuid,
  state: row.state as PromptState,
  mode: row.mode as PromptRecord['mode'],
  announced: row.announced === 1,
  text: row.text,
  ...(row.attachments !== null && { body: JSON.parse(row.attachments) as PromptBody }),
  answer: JSON.parse(row.answer) as Record<string, unknown>,
  createdAt: row.created_at,
  ...(row.outcome !== null && { outcome: JSON.parse(row.outcome) as NonNullable<PromptRecord['outcome']> }),
  ...(row.ended_at !== null && { endedAt: row.ended_at }),
});

/** Text kept of an ended prompt, in UTF-16 units; the full text is in its `humanMessage`. */
const ENDED_TEXT_UNITS = 1000;

/** The body is needed only until the prompt has ended. */
export const promptRow = (prompt: PromptRecord): PromptRow => ({
  prompt_id: prompt.promptId,
  session_id: prompt.sessionId,
  user_id: prompt.device.userId,
  device_id: prompt.device.deviceId,
  request_id: prompt.requestId,
  uuid: prompt.uuid,
  state: prompt.state,
  mode: prompt.mode,
  announced: Number(prompt.announced),
  text: prompt.endedAt === undefined ? prompt.text : cutText(prompt.text, ENDED_TEXT_UNITS),
  attachments: prompt.body === undefined || prompt.endedAt !== undefined ? null : JSON.stringify(prompt.body),
  answer: JSON.stringify(prompt.answer),
  outcome: prompt.outcome === undefined ? null : JSON.stringify(prompt.outcome),
  created_at: prompt.createdAt,
  ended_at: prompt.endedAt ?? null,
});

export interface PermissionRow {
  session_id: string;
  permission_id: string;
  child_id: string;
  ask: string;
  decision: string | null;
  by_device_id: string | null;
  answer: string | null;
  created_at: number;
}

export const permissionOf = (row: PermissionRow): PermissionRecord => ({
  sessionId: row.session_id as SessionId,
  permissionId: row.permission_id as PermissionId,
  childId: row.child_id,
  ask: JSON.parse(row.ask) as PermissionAsk,
  createdAt: row.created_at,
  ...(row.decision !== null && { decision: row.decision as NonNullable<PermissionRecord['decision']> }),
  ...(row.by_device_id !== null && { byDeviceId: row.by_device_id }),
  ...(row.answer !== null && { answer: JSON.parse(row.answer) as Record<string, unknown> }),
});

/** The request's contents are dropped once it is decided and the CLI has read the decision: its event has them. */
const keptAsk = ({ ask, decision, answer }: PermissionRecord): PermissionAsk =>
  decision === undefined || answer !== undefined ? ask : { ...ask, input: {} };

export const permissionRow = (permission: PermissionRecord): PermissionRow => ({
  session_id: permission.sessionId,
  permission_id: permission.permissionId,
  child_id: permission.childId,
  ask: JSON.stringify(keptAsk(permission)),
  decision: permission.decision ?? null,
  by_device_id: permission.byDeviceId ?? null,
  answer: permission.answer === undefined ? null : JSON.stringify(permission.answer),
  created_at: permission.createdAt,
});
