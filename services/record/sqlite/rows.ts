/** The mapping of records to SQL rows. */

import type { EventType } from '../../../protocol/events.js';
import { cutText } from '../../../protocol/plain-text.js';
import type { DeviceId, PermissionId, PromptId, SessionId } from '../../../protocol/scalars.js';
import type { BlobRef } from '../../ports/blobs.js';
import type { PushRecord, PushState, PushTransition } from '../../ports/outbox.js';
import type { PushKind } from '../../ports/push.js';
import type {
  EventRecord,
  PermissionAsk,
  PermissionRecord,
  PromptBody,
  PromptRecord,
  PromptState,
  UserId,
} from '../../ports/records.js';

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
  /** NULL in rows that predate this column too. */
  place: number | null;
  /** The same. */
  allowed_tools: string | null;
  /** The same. */
  via: string | null;
  /** The same. */
  trace: string | null;
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
  ...(row.place !== null && { place: row.place }),
  ...(row.allowed_tools !== null && { allowedTools: JSON.parse(row.allowed_tools) as string[] }),
  ...(row.via !== null && { via: JSON.parse(row.via) as SessionId[] }),
  ...(row.trace !== null && { trace: row.trace }),
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
  place: prompt.place ?? null,
  allowed_tools: prompt.allowedTools ? JSON.stringify(prompt.allowedTools) : null,
  via: prompt.via ? JSON.stringify(prompt.via) : null,
  trace: prompt.trace ?? null,
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

export interface PushRow {
  push_id: string;
  user_id: string;
  device_id: string;
  session_id: string | null;
  seq: number | null;
  epoch: string;
  permission_id: string | null;
  kind: string;
  collapse_id: string;
  state: string;
  reason: string | null;
  about: string;
  actions: string | null;
  history: string;
  attempts: number;
  due_at: number;
  next_try: number;
  expires_at: number;
  created_at: number;
  updated_at: number;
}

export const pushOf = (row: PushRow): PushRecord => ({
  pushId: row.push_id,
  device: { userId: row.user_id as UserId, deviceId: row.device_id as DeviceId },
  sessionId: (row.session_id ?? undefined) as SessionId | undefined,
  seq: row.seq ?? undefined,
  epoch: row.epoch,
  permissionId: row.permission_id ?? undefined,
  kind: row.kind as PushKind,
  collapseId: row.collapse_id,
  state: row.state as PushState,
  reason: row.reason ?? undefined,
  about: row.about,
  actions: row.actions === null ? undefined : (JSON.parse(row.actions) as Record<string, string[]>),
  history: JSON.parse(row.history) as PushTransition[],
  attempts: row.attempts,
  dueAt: row.due_at,
  nextTry: row.next_try,
  expiresAt: row.expires_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export const pushRow = (push: PushRecord): PushRow => ({
  push_id: push.pushId,
  user_id: push.device.userId,
  device_id: push.device.deviceId,
  session_id: push.sessionId ?? null,
  seq: push.seq ?? null,
  epoch: push.epoch,
  permission_id: push.permissionId ?? null,
  kind: push.kind,
  collapse_id: push.collapseId,
  state: push.state,
  reason: push.reason ?? null,
  about: push.about,
  actions: push.actions === undefined ? null : JSON.stringify(push.actions),
  history: JSON.stringify(push.history),
  attempts: push.attempts,
  due_at: push.dueAt,
  next_try: push.nextTry,
  expires_at: push.expiresAt,
  created_at: push.createdAt,
  updated_at: push.updatedAt,
});
