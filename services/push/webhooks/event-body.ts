/** What webhooks are told of an event: that it happened and where, in no words of the conversation. */
import { basename } from 'node:path';
import { cutText } from '../../../protocol/plain-text.js';
import type { SessionRecord } from '../../ports/records.js';
import { type Concern, isSpent, isWaiting } from '../policy/concerns.js';

/** Names of tools come from MCP servers. */
const MAX_NAME = 200;

/** The body of a message about a concern of this session: at most 4 KiB of JSON. */
export function bodyOf(concern: Concern, { sessionId, directory }: Pick<SessionRecord, 'sessionId' | 'directory'>) {
  const project = cutText(basename(directory), MAX_NAME);
  return messageOf(concern.kind, concern.at, { sessionId, seq: concern.seq, project, ...dataOf(concern) });
}

export const testBody = (webhookId: string, now: number): string => messageOf('test', now, { webhookId });

const messageOf = (type: string, at: number, data: object): string =>
  JSON.stringify({ type, timestamp: new Date(at).toISOString(), data });

function dataOf(concern: Concern): object {
  if (isWaiting(concern)) {
    const { permissionId, toolName } = concern.request;
    return { permissionId, toolName: cutText(toolName, MAX_NAME) };
  }
  if (isSpent(concern)) {
    const { sessionId: _, timestamp: _at, ...budget } = concern.budget;
    return budget;
  }
  if (!('turn' in concern)) return {};
  const { promptId, subtype, isError, duration, numTurns, cost, resetsAt } = concern.turn;
  return { promptId, subtype, isError, duration, numTurns, cost, resetsAt };
}
