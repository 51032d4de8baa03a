import { Router } from 'express';
import type { SessionObject, SessionStats } from '../../protocol/openai-views.js';
import type { SessionId } from '../../protocol/scalars.js';
import { directoryOfProject, projectIdOf } from '../../services/commands/projects.js';
import { closeSession } from '../../services/commands/session.js';
import { type StartedSession, startSession } from '../../services/commands/start-session.js';
import { pageOf } from '../../services/model/list-page.js';
import type { SessionRecord } from '../../services/ports/records.js';
import { statusOf } from '../../services/sessions/machine/session-state.js';
import type { Session } from '../../services/sessions/session.js';
import { callerOf, readBody, readQuery, replied, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/v1/sessions`: the same sessions as `/api/sessions`, in the terms of projects and tokens. */
export function createSessionObjectRoutes(services: RouteServices): Router {
  const { registry } = services;
  const router = Router();
  const idOf = (request: { params: { id: string } }) => request.params.id as SessionId;

  router.get('/', (request, response) => {
    const { project_id: project, ...query } = readQuery('listOwnSessions', request);
    const owned = registry.owned(requirePrincipal(response).userId);
    const wanted = owned.filter(
      ({ state }) => project === undefined || project === projectIdOf(state.record.directory),
    );
    const placeOf = ({ id: key, state }: Session) => ({ number: state.record.lastActivity, key });
    const { items, page } = pageOf(wanted, { ...query, name: 'sessions', placeOf });
    response.json({ sessions: items.map(sessionObject), ...page });
  });

  router.post('/', async (request, response) => {
    const body = readBody('openSession', request);
    const { model, title: sessionName, system_prompt: context, metadata } = body;
    const directory = directoryOfProject(body.project_id, 'project_id');
    const options = { model, sessionName, context, metadata };
    const input = { caller: callerOf(response), directory, prompt: '', options, optionsField: '' };
    const { session, answer } = await replied<StartedSession>((reply) => startSession(services, input, reply));
    response.status(answer.reused ? 200 : 201).json(sessionObject(session));
  });

  router.get('/stats', (_request, response) => {
    response.json(statsOf(registry.owned(requirePrincipal(response).userId)));
  });

  router.get('/:id', (request, response) => {
    response.json(sessionObject(registry.require(requirePrincipal(response).userId, idOf(request))));
  });

  router.delete('/:id', async (request, response) => {
    const input = { caller: callerOf(response), sessionId: idOf(request), reason: 'deleted' };
    response.json(sessionObject(await replied<Session>((reply) => closeSession(services, input, reply))));
  });
  return router;
}

const NO_TURNS = { turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

const tokensOf = ({ totals = NO_TURNS }: SessionRecord): number =>
  totals.input + totals.output + totals.cacheRead + totals.cacheWrite;

function sessionObject({ state }: Session): SessionObject {
  const { record } = state;
  const model = record.model ?? record.modelChoice;
  return {
    id: record.sessionId,
    object: 'session',
    project_id: projectIdOf(record.directory),
    ...(record.name !== undefined && { title: record.name }),
    ...(model !== undefined && { model }),
    ...(record.context !== undefined && { system_prompt: record.context }),
    status: statusOf(state),
    is_active: record.closed === undefined,
    created_at: new Date(record.createdAt).toISOString(),
    updated_at: new Date(record.updatedAt).toISOString(),
    message_count: record.messageCount,
    turn_count: record.totals?.turns ?? 0,
    total_tokens: tokensOf(record),
    total_cost: record.totalCost,
  };
}

function statsOf(sessions: readonly Session[]): SessionStats {
  const records = sessions.map(({ state }) => state.record);
  const sum = (of: (record: SessionRecord) => number): number => records.reduce((all, one) => all + of(one), 0);
  const total = (of: keyof typeof NO_TURNS): number => sum(({ totals = NO_TURNS }) => totals[of]);
  return {
    total_sessions: records.length,
    active_sessions: records.filter(({ closed }) => closed === undefined).length,
    working_sessions: sessions.filter(({ state }) => state.turn !== null).length,
    total_messages: sum(({ messageCount }) => messageCount),
    total_turns: total('turns'),
    total_tokens: sum(tokensOf),
    input_tokens: total('input'),
    output_tokens: total('output'),
    cache_read_tokens: total('cacheRead'),
    cache_write_tokens: total('cacheWrite'),
    total_cost: sum(({ totalCost }) => totalCost),
  };
}
