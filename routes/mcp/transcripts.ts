import type { ReadResourceResult, Resource } from '@modelcontextprotocol/sdk/types.js';
import { restRule } from '../../protocol/commands/rest.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { cutText } from '../../protocol/plain-text.js';
import type { SessionId } from '../../protocol/scalars.js';
import { exportSession } from '../../services/commands/export.js';
import { pageOf } from '../../services/model/list-page.js';
import type { Session } from '../../services/sessions/session.js';
import { requireScope } from '../access/admission.js';
import { auditHttp } from '../http/audit-http.js';
import { callerOf } from '../http/request-context.js';
import type { McpContext } from './mcp-context.js';

const MARKDOWN = 'text/markdown';
const PAGE = 50;
/** In UTF-16 units: what an agent can read at once is much less. */
const MOST_UNITS = 1024 * 1024;

export const TRANSCRIPT_TEMPLATE = {
  uriTemplate: 'companion://sessions/{sessionId}/transcript',
  name: 'transcript',
  title: 'Transcript of a session',
  mimeType: MARKDOWN,
};

const addressOf = (sessionId: string): string => `companion://sessions/${encodeURIComponent(sessionId)}/transcript`;

/** A page of the transcripts of the person's sessions, by last activity. Throws `INVALID_REQUEST` for a bad cursor. */
export function listTranscripts({ services, principal }: McpContext, cursor: string | undefined) {
  requireScope(principal, restRule('listSessions').needs as 'read');
  const { items, page } = pageOf(services.registry.owned(principal.userId), {
    limit: PAGE,
    cursor,
    name: 'transcripts',
    placeOf: ({ id: key, state: { record } }) => ({ number: record.lastActivity, key }),
  });
  return {
    resources: items.map(resourceOf),
    ...(page.nextCursor !== undefined && { nextCursor: page.nextCursor }),
  };
}

function resourceOf({ id, state: { record } }: Session): Resource {
  const { name, directory, lastActivity } = record;
  return {
    uri: addressOf(id),
    name: name ?? directory.slice(directory.lastIndexOf('/') + 1),
    description: directory,
    mimeType: MARKDOWN,
    annotations: { lastModified: new Date(lastActivity).toISOString() },
  };
}

/** The transcript with its newest messages, at most about a million characters. Rejects with `NOT_FOUND`. */
export async function readTranscript(context: McpContext, uri: string): Promise<ReadResourceResult> {
  const { services, response, principal } = context;
  requireScope(principal, restRule('exportSession').needs as 'read');
  const session = services.registry.owned(principal.userId).find(({ id }) => addressOf(id) === uri);
  if (!session) throw new CompanionError('NOT_FOUND', 'There is no such transcript.', { field: 'uri' });
  auditHttp(services, response, { action: 'read', sessionId: session.id });
  const asked = { caller: callerOf(response), sessionId: session.id as SessionId, withTools: true } as const;
  const text = await endOf(exportSession(services, { ...asked, format: 'markdown' }).pieces);
  return { contents: [{ uri, mimeType: MARKDOWN, text }] };
}

/** The head of a document and as much of its end as there is room for. */
async function endOf(pieces: AsyncIterable<string>): Promise<string> {
  const kept: string[] = [];
  let head: string | undefined;
  let units = 0;
  let isCut = false;
  for await (const piece of pieces) {
    if (head === undefined) {
      head = piece;
      continue;
    }
    kept.push(cutText(piece, MOST_UNITS));
    units += piece.length;
    while (units > MOST_UNITS && kept.length > 1) {
      units -= kept.shift()?.length ?? 0;
      isCut = true;
    }
  }
  return [head ?? '', ...(isCut ? ['*Earlier messages are left out.*\n\n'] : []), ...kept].join('');
}
