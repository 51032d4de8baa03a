/** Values to write into a record. */
import type { DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../../services/ports/journal.js';
import type { PushRecord } from '../../services/ports/outbox.js';
import type {
  DeviceRef,
  EventRecord,
  KeptChange,
  PermissionRecord,
  PromptRecord,
} from '../../services/ports/records.js';
import { newPush } from '../../services/push/outbox/push-record.js';
import { deviceRef, waitingOf } from '../push/situations.js';
import { sessionRecord } from '../support/session-record.js';

export const sessionId = 'conforming' as SessionId;
export const other = 'other-conforming' as SessionId;
export const phone = deviceRef('phone');
export const tablet = deviceRef('tablet');

export const event = (seq: number, rest: Partial<EventRecord> = {}): EventRecord => ({
  seq,
  type: 'sessionStatus',
  at: 1000 + seq,
  data: JSON.stringify({ seq, text: 'é' }),
  ...rest,
});
export const eventsTo = (count: number): EventRecord[] => Array.from({ length: count }, (_, index) => event(index + 1));

export const block = (seq: number, messageId: string, rest: Record<string, unknown> = {}): EventRecord =>
  event(seq, {
    type: 'assistantMessage',
    messageId,
    data: JSON.stringify({ messageId, blockIndex: seq, content: [{ type: 'text', text: `block ${seq}` }], ...rest }),
  });

export const toolUse = (seq: number, toolId: string, toolName = 'Bash'): EventRecord =>
  event(seq, { type: 'toolUse', data: JSON.stringify({ toolId, toolName }) });

export const promptOf = (name: string, rest: Partial<PromptRecord> = {}): PromptRecord => ({
  promptId: name as PromptId,
  sessionId,
  device: phone,
  requestId: name,
  uuid: `uuid-${name}`,
  text: `text of ${name}`,
  mode: 'queue',
  state: 'queued',
  announced: false,
  createdAt: 5,
  answer: { first: true },
  ...rest,
});

export const permissionOf = (name: string, rest: Partial<PermissionRecord> = {}): PermissionRecord => ({
  permissionId: name as PermissionId,
  sessionId,
  childId: 'child',
  ask: { requestId: 'r', toolUseId: name, toolName: 'Bash', input: { command: 'x' } },
  createdAt: 6,
  ...rest,
});

export const change = (rest: Partial<KeptChange> = {}, id = sessionId): KeptChange => ({
  record: sessionRecord(id),
  events: [],
  prompts: [],
  permissions: [],
  ...rest,
});

export const pushTo = (journal: Journal, deviceId: string, now = 1000): PushRecord =>
  newPush({
    device: { userId: 'pushed' as DeviceRef['userId'], deviceId: deviceId as DeviceId },
    about: { what: 'concern', concern: waitingOf('permission') },
    epoch: journal.epoch,
    now,
  });
