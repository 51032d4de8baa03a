/** The mapping of pushes to SQL rows. */
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { PushRecord, PushState, PushTransition } from '../ports/outbox.js';
import type { PushKind } from '../ports/push.js';
import type { UserId } from '../ports/records.js';

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
