import { Router } from 'express';
import { restCommand } from '../../protocol/commands.js';
import { CompanionError } from '../../protocol/error-codes.js';
import {
  type CreateSession,
  createSessionSchema,
  deleteSessionSchema,
  type ListSessions,
  listSessionsSchema,
  patchSessionSchema,
  type SessionView,
} from '../../protocol/rest.js';
import { type SessionId, seqSchema } from '../../protocol/scalars.js';
import { changeSession, closeSession } from '../../services/commands/session.js';
import { type StartedSession, startSession } from '../../services/commands/start-session.js';
import type { EventRecord } from '../../services/ports/records.js';
import type { Session } from '../../services/sessions/session.js';
import { sessionView } from '../../services/sessions/session-view.js';
import { requireLiberties } from '../access/admission.js';
import type { RouteServices } from '../route-services.js';
import { holdBytes, sendPieces, textPieces } from './bound-bodies.js';
import { parseInput } from './parse-input.js';
import { callerOf, requirePrincipal } from './principal.js';
import { replied } from './replied.js';

/** `/api/sessions`. */
export function createSessionRoutes(services: RouteServices): Router {
  const { registry, push } = services;
  const router = Router();
  const view = (session: Session): Promise<SessionView> => sessionView(session, services);
  const idOf = (request: { params: { id: string } }) => request.params.id as SessionId;

  router.get('/', async (request, response) => {
    const query = parseInput(listSessionsSchema, request.query, 'query');
    const views = await Promise.all(registry.owned(requirePrincipal(response).userId).map(view));
    const sessions = views.filter(matches(query));
    const { limit, offset } = query;
    response.json({ sessions: sessions.slice(offset, offset + limit), total: sessions.length, limit, offset });
  });

  router.post('/', async (request, response) => {
    const body = parseInput(createSessionSchema, request.body, 'body');
    requireLiberties(requirePrincipal(response), restCommand('createSession').liberties(body));
    const directory = directoryOf(body, services.firstRoot);
    const input = { caller: callerOf(response), directory, prompt: '', options: body, optionsField: '' };
    const { session, answer } = await replied<StartedSession>((reply) => startSession(services, input, reply));
    response.status(answer.reused ? 200 : 201).json({ ...(await view(session)), reused: answer.reused });
  });

  router.get('/:id', async (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, idOf(request));
    response.json(await withPermissions(session, view(session)));
  });

  router.patch('/:id', async (request, response) => {
    const principal = requirePrincipal(response);
    const sessionId = registry.require(principal.userId, idOf(request)).id;
    const changes = parseInput(patchSessionSchema, request.body, 'body');
    requireLiberties(principal, restCommand('changeSession').liberties(changes));
    const input = { caller: callerOf(response), sessionId, changes };
    const session = await replied<Session>((reply) => changeSession(services, input, reply));
    if (changes.push) push.judgeAgain(session.owner);
    response.json(await view(session));
  });

  router.delete('/:id', async (request, response) => {
    const sessionId = registry.require(requirePrincipal(response).userId, idOf(request)).id;
    const { purge } = parseInput(deleteSessionSchema, request.query, 'query');
    const input = { caller: callerOf(response), sessionId, reason: 'deleted', purge: purge === 'true' };
    const session = await replied<Session>((reply) => closeSession(services, input, reply));
    response.json({ success: true, ...(await view(session)) });
  });

  addEventRoute(router, services);
  return router;
}

async function withPermissions(session: Session, view: Promise<SessionView>): Promise<SessionView> {
  const [known, permissions] = await Promise.all([view, session.permissions()]);
  return { ...known, ...(permissions && { permissions }) };
}

/** The full data of an event that was cut for its frame. */
function addEventRoute(router: Router, services: RouteServices): void {
  const { registry, journal } = services;
  router.get('/:id/events/:seq', async (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    const seq = parseInput(seqSchema, Number(request.params.seq), 'seq');
    const bytes = await journal.sizeOfEvent(session.id, seq);
    if (bytes !== undefined) holdBytes(services, response, bytes);
    const event = bytes === undefined ? undefined : await journal.findEvent(session.id, seq);
    if (!event) throw new CompanionError('NOT_FOUND', 'There is no such event.', { field: 'seq' });
    const data = await wholeData(journal, event);
    await sendPieces(response, eventBody(event, { sessionId: session.id, epoch: journal.epoch, data }));
  });
}

type Pieces = AsyncIterable<string | Uint8Array> | Iterable<string>;

/** In the format of an event frame, with these data. */
async function* eventBody(
  { type, at, seq }: EventRecord,
  { data, sessionId, epoch }: { sessionId: SessionId; epoch: string; data: Pieces },
): AsyncGenerator<string | Uint8Array> {
  const head = { type, timestamp: new Date(at).toISOString(), sessionId, seq, epoch };
  yield `${JSON.stringify(head).slice(0, -1)},"data":`;
  yield* data;
  yield '}';
}

/** Falls back to the row's cut data where the blob is gone. */
async function wholeData({ blobs }: RouteServices['journal'], { data, blob }: EventRecord): Promise<Pieces> {
  if (!blob) return textPieces(data);
  const pieces = blobs.stream(blob);
  try {
    const first = await pieces.next();
    return resumed(first.value ?? Buffer.alloc(0), pieces);
  } catch (error) {
    if (isGone(error)) return textPieces(data);
    throw error;
  }
}

const isGone = (error: unknown): boolean => error instanceof CompanionError && error.code === 'NOT_FOUND';

async function* resumed(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

function directoryOf({ workingDirectory, projectPath, folderName }: CreateSession, firstRoot: string) {
  if (workingDirectory !== undefined) return { path: workingDirectory, field: 'workingDirectory' };
  if (projectPath !== undefined) return { path: projectPath, field: 'projectPath' };
  return { path: folderName ?? '', base: firstRoot, field: 'folderName' };
}

const ARCHIVED = new Set<SessionView['status']>(['closed']);
const INACTIVE = new Set<SessionView['status']>(['hibernated', 'error']);

function matches({ status, projectPath }: ListSessions): (session: SessionView) => boolean {
  return (session) => {
    if (projectPath !== undefined && session.projectPath !== projectPath) return false;
    return status === undefined || status === session.status || status === groupOf(session.status);
  };
}

function groupOf(status: SessionView['status']): 'active' | 'inactive' | 'archived' {
  if (ARCHIVED.has(status)) return 'archived';
  return INACTIVE.has(status) ? 'inactive' : 'active';
}
