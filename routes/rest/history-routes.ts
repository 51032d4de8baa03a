import { type Request, type Response, Router } from 'express';
import type { Conversations } from '../../protocol/conversations.js';
import type { Export } from '../../protocol/history.js';
import type { SessionId } from '../../protocol/scalars.js';
import { listConversations } from '../../services/commands/conversations.js';
import { exportSession } from '../../services/commands/export.js';
import { listHistory, listMessages } from '../../services/commands/history.js';
import { pageOf } from '../../services/model/list-page.js';
import { requireScope } from '../access/admission.js';
import { holdBytes, sendAll } from '../http/bodies.js';
import { callerOf, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { directoryOf } from './session-routes.js';

type OfSession = Request<{ id: string }>;

/** What was said in a session of `/api/sessions`. */
export function createHistoryRoutes(services: RouteServices): Router {
  const router = Router();
  const ofSession = (request: OfSession, response: Response) => ({
    caller: callerOf(response),
    sessionId: request.params.id as SessionId,
  });

  router.get('/:id/messages', async (request: OfSession, response) => {
    const input = { ...ofSession(request, response), ...readQuery('listMessages', request) };
    response.json(await listMessages(services, input));
  });

  router.get('/:id/history', async (request: OfSession, response) => {
    const input = { ...ofSession(request, response), ...readQuery('listHistory', request) };
    response.json(await listHistory(services, input));
  });

  router.get('/:id/export', async (request: OfSession, response) => {
    const { format, includeFiles, includeToolCalls } = readQuery('exportSession', request);
    if (includeFiles === 'true') requireScope(requirePrincipal(response), 'files');
    const { name, pieces } = exportSession(services, {
      ...ofSession(request, response),
      format,
      withTools: includeToolCalls === 'true',
      ...(includeFiles === 'true' && { files: services.files }),
    });
    holdBytes(services, response);
    response.type(TYPES[format]).attachment(`${name}.${EXTENSIONS[format]}`);
    // `attachment` sets a type by the extension.
    response.type(TYPES[format]);
    await sendAll(response, pieces);
  });
  return router;
}

/** `/api/conversations`. */
export function createConversationRoutes(services: RouteServices): Router {
  const router = Router();
  router.get('/', async (request, response) => {
    const { limit, offset, cursor, ...named } = readQuery('listConversations', request);
    const directory = directoryOf(named, services.firstRoot);
    const found = await listConversations(services, { caller: callerOf(response), directory });
    const { items, page } = pageOf(found, {
      limit,
      offset,
      cursor,
      name: 'conversations',
      placeOf: ({ lastModified: number, claudeSessionId: key }) => ({ number, key }),
    });
    response.json({ conversations: items.map(conversationView), ...page } satisfies Conversations);
  });
  return router;
}

type Found = Awaited<ReturnType<typeof listConversations>>[number];

const conversationView = ({ session, createdAt, lastModified, archived, ...one }: Found) => ({
  ...one,
  lastModified: iso(lastModified),
  ...(createdAt !== undefined && { createdAt: iso(createdAt) }),
  ...(archived && { archived }),
  ...(session && { sessionId: session.id }),
});

const iso = (at: number): string => new Date(at).toISOString();

const TYPES: Readonly<Record<Export['format'], string>> = {
  markdown: 'text/markdown; charset=utf-8',
  json: 'application/json; charset=utf-8',
  jsonl: 'application/x-ndjson; charset=utf-8',
};
const EXTENSIONS: Readonly<Record<Export['format'], string>> = { markdown: 'md', json: 'json', jsonl: 'jsonl' };
