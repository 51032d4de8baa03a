import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Audit } from '../ports/audit.js';
import type { Publication, PublishedSession, Publisher } from '../ports/publication.js';
import { digestOf } from './digest-of.js';

export interface ToolAuditOptions {
  audit: Audit;
  /** Whether a person wants the calls of this session recorded. */
  isAudited: (sessionId: SessionId) => boolean;
}

const OF_MCP = 'mcp__';

/** Wraps the publisher, and records each call of a tool of an MCP server with the digest of its input. */
export function auditTools({ audit, isAudited }: ToolAuditOptions, publisher: Publisher): Publisher {
  const record = ({ sessionId, owner: userId }: PublishedSession, item: Publication) => {
    if (item.kind !== 'event' || item.event.type !== 'toolUse' || !isAudited(sessionId)) return;
    const { toolName: tool, toolInput } = JSON.parse(item.event.data) as EventData<'toolUse'>;
    if (!tool.startsWith(OF_MCP)) return;
    audit.record({
      action: 'tool',
      outcome: 'ok',
      userId,
      sessionId,
      tool,
      digest: digestOf(JSON.stringify(toolInput)),
    });
  };
  return {
    publish: (session, items) => {
      for (const item of items) record(session, item);
      publisher.publish(session, items);
    },
    isNamed: (owner, type) => publisher.isNamed(owner, type),
    opened: (session) => publisher.opened(session),
    forgotten: (sessionId) => publisher.forgotten(sessionId),
  };
}
