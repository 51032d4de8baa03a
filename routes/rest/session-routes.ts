import { type Request, type Response, Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { BulkResult, CreateSession, SessionStatuses, SessionView } from '../../protocol/rest.js';
import { type PromptId, type SessionId, seqSchema } from '../../protocol/scalars.js';
import { changeSessions } from '../../services/commands/bulk.js';
import { listSessions } from '../../services/commands/list-sessions.js';
import { changeSession, closeSession, refreshLabels } from '../../services/commands/session.js';
import { continueSession, type StartedSession, startSession } from '../../services/commands/start-session.js';
import { readTurnDiff, type TurnDiff } from '../../services/commands/turn-diff.js';
import type { EventRecord } from '../../services/ports/records.js';
import type { Session } from '../../services/sessions/session.js';
import { sessionView, statusesView, unmeasuredView } from '../../services/sessions/session-view.js';
import { holdBytes, sendPieces, textPieces } from '../http/bodies.js';
import { guardOf, isKnown, versionOf } from '../http/conditional.js';
import {
  callerOf,
  parseInput,
  readBody,
  readPermittedBody,
  readQuery,
  replied,
  requirePrincipal,
} from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/sessions`. */
export function createSessionRoutes(services: RouteServices): Router {
  const router = Router();
  const view = (session: Session): Promise<SessionView> => sessionView(session, services);

  router.get('/', async (request, response) => {
    const query = readQuery('listSessions', request);
    response.json(await listSessions(services, { caller: callerOf(response), ...query }));
  });

  router.post('/', async (_request, response) => {
    const body = readPermittedBody('createSession', response);
    const directory = directoryOf(body, services.firstRoot);
    const input = { caller: callerOf(response), directory, prompt: '', options: body, optionsField: '' };
    const { session, answer } = await replied<StartedSession>((reply) => startSession(services, input, reply));
    if (answer.reused) services.metrics.sessionsReused.inc();
    response.status(answer.reused ? 200 : 201).json({ ...(await view(session)), reused: answer.reused });
  });

  router.post('/continue', async (_request, response) => {
    const body = readPermittedBody('continueSession', response);
    const directory = directoryOf(body, services.firstRoot);
    const input = { caller: callerOf(response), directory, prompt: '', options: body, optionsField: '' };
    const { session, answer } = await replied<StartedSession>((reply) => continueSession(services, input, reply));
    response.status(answer.reused ? 200 : 201).json({ ...(await view(session)), reused: answer.reused });
  });

  addManyRoutes(router, services);
  addSessionRoute(router, services);
  addEventRoute(router, services);
  addDiffRoute(router, services);
  return router;
}

/** Requests about many sessions. They must stand before those about a single one. */
function addManyRoutes(router: Router, services: RouteServices): void {
  router.get('/status', (_request, response) => {
    const { userId } = requirePrincipal(response);
    response.json(statusesView(services.registry.owned(userId)) satisfies SessionStatuses);
  });

  router.post('/bulk', async (request, response) => {
    const input = { caller: callerOf(response), ...readBody('changeSessions', request) };
    response.json((await changeSessions(services, input)) satisfies BulkResult);
  });
}

/** A single session. */
function addSessionRoute(router: Router, services: RouteServices): void {
  const { registry, push } = services;
  const view = (session: Session): Promise<SessionView> => sessionView(session, services);
  const idOf = (request: { params: { id: string } }) => request.params.id as SessionId;
  const guardFor = (request: Request, response: Response) => {
    const found = registry.require(requirePrincipal(response).userId, idOf(request as Request<{ id: string }>));
    return { sessionId: found.id, guard: guardOf(request, () => versionOfSession(found)) };
  };

  router.get('/:id', async (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, idOf(request));
    await refreshLabels(services, [session]);
    const permissions = await session.permissions();
    const known = await view(session);
    const answer: SessionView = { ...known, ...(permissions && { permissions }) };
    if (!isKnown(response, `${versionOfSession(session)}${permissions ? `.${versionOf(permissions)}` : ''}`)) {
      response.json(answer);
    }
  });

  router.patch('/:id', async (request, response) => {
    const found = guardFor(request, response);
    const changes = readPermittedBody('changeSession', response);
    const input = { caller: callerOf(response), ...found, changes };
    const session = await replied<Session>((reply) => changeSession(services, input, reply));
    if (changes.push) push.judgeAgain(session.owner);
    response.json(await view(session));
  });

  router.delete('/:id', async (request, response) => {
    const found = guardFor(request, response);
    const { purge } = readQuery('closeSession', request);
    const input = { caller: callerOf(response), ...found, reason: 'deleted', purge: purge === 'true' };
    const session = await replied<Session>((reply) => closeSession(services, input, reply));
    response.json({ success: true, ...(await view(session)) });
  });
}

const versionOfSession = (session: Session): string => versionOf(unmeasuredView(session));

/** The full data of an event that was cut for its frame. */
function addEventRoute(router: Router, services: RouteServices): void {
  const { registry, journal } = services;
  router.get('/:id/events/:seq', async (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    const seq = parseInput(seqSchema, Number(request.params.seq), 'seq');
    const bytes = journal.sizeOfEvent(session.id, seq);
    // The bytes differ where the whole of an event has expired.
    if (bytes !== undefined && isKnown(response, `${journal.epoch}.${seq}.${bytes}`)) return;
    if (bytes !== undefined) holdBytes(services, response, bytes);
    const event = bytes === undefined ? undefined : journal.findEvent(session.id, seq);
    if (!event) throw new CompanionError('NOT_FOUND', 'There is no such event.', { field: 'seq' });
    const data = await wholeData(journal, event);
    await sendPieces(response, eventBody(event, { sessionId: session.id, epoch: journal.epoch, data }));
  });
}

/** What changed in the turn of a prompt. */
function addDiffRoute(router: Router, services: RouteServices): void {
  router.get('/:id/prompts/:promptId/diff', async (request, response) => {
    const sessionId = request.params.id as SessionId;
    const promptId = request.params.promptId as PromptId;
    const diff = await readTurnDiff(services, { caller: callerOf(response), sessionId, promptId });
    holdBytes(services, response);
    await sendPieces(response, diffBody(diff, { sessionId, promptId }));
  });
}

async function* diffBody({ patch, ...diff }: TurnDiff, ids: object): AsyncGenerator<string | Uint8Array> {
  yield `${JSON.stringify({ ...ids, ...diff }).slice(0, -1)},"patch":"`;
  for await (const part of patch) yield* typeof part === 'string' ? textPieces(part) : [part];
  yield '"}';
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

type Named = Pick<CreateSession, 'workingDirectory' | 'projectPath' | 'folderName'>;

/** The directory that a request names in one of three fields. */
export function directoryOf({ workingDirectory, projectPath, folderName }: Named, firstRoot: string) {
  if (workingDirectory !== undefined) return { path: workingDirectory, field: 'workingDirectory' };
  if (projectPath !== undefined) return { path: projectPath, field: 'projectPath' };
  return { path: folderName ?? '', base: firstRoot, field: 'folderName' };
}
