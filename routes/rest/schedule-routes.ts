import { type Request, type Response, Router } from 'express';
import type { ScheduleRunView, ScheduleView } from '../../protocol/schedules.js';
import { placeOf, requireTarget } from '../../services/commands/automatic.js';
import { pageOf } from '../../services/model/list-page.js';
import type { RunRecord, ScheduleRecord, Target } from '../../services/ports/schedules.js';
import { admitPrompt } from '../access/admit-prompt.js';
import { guardOf, isKnown, versionOf } from '../http/conditional.js';
import { deviceOf, readBody, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

type OfSchedule = Request<{ id: string }>;

/** `/api/schedules`: those of the caller's person. */
export function createScheduleRoutes(services: RouteServices): Router {
  const { schedules } = services;
  const router = Router();
  const view = (schedule: ScheduleRecord) => scheduleView(schedule, schedules.lastRun(schedule.scheduleId));

  router.get('/', (request, response) => {
    const query = readQuery('listSchedules', request);
    const placeIn = ({ createdAt: number, scheduleId: key }: ScheduleRecord) => ({ number, key });
    const all = schedules.list(requirePrincipal(response).userId);
    const { items, page } = pageOf(all, { ...query, name: 'schedules', placeOf: placeIn });
    response.json({ schedules: items.map(view), ...page });
  });

  router.post('/', async (request, response) => {
    const { sessionId, workingDirectory, at, ...body } = readBody('createSchedule', request);
    const { userId, scopes } = requirePrincipal(response);
    const device = deviceOf(requirePrincipal(response));
    const target = await requireTarget(services, device, { sessionId, workingDirectory, base: services.firstRoot });
    await admit(services, response, { target, prompt: body.prompt });
    const createdBy = device.deviceId;
    const when = at === undefined ? {} : { at: Date.parse(at) };
    const added = schedules.add({ ...body, ...when, userId, target, scopes: [...scopes], createdBy });
    response.status(201).location(`/api/schedules/${added.scheduleId}`).json(view(added));
  });

  addScheduleRoutes(router, services, view);
  return router;
}

/** A single schedule. */
function addScheduleRoutes(
  router: Router,
  services: RouteServices,
  view: (schedule: ScheduleRecord) => ScheduleView,
): void {
  const { schedules } = services;
  const find = (request: OfSchedule, response: Response) =>
    schedules.require(requirePrincipal(response).userId, request.params.id);

  router.get('/:id', (request: OfSchedule, response) => {
    const found = find(request, response);
    const shown = view(found);
    if (!isKnown(response, `${versionOfSchedule(found)}.${versionOf(shown)}`)) response.json(shown);
  });

  router.patch('/:id', async (request: OfSchedule, response) => {
    const { at, ...body } = readBody('changeSchedule', request);
    const { prompt } = body;
    const { scopes } = requirePrincipal(response);
    if (prompt !== undefined) await admit(services, response, { target: find(request, response).target, prompt });
    const found = find(request, response);
    guardOf(request, () => versionOfSchedule(found))?.();
    // Who changes what is sent answers for it.
    const change = {
      ...body,
      ...(at !== undefined && { at: Date.parse(at) }),
      ...(prompt !== undefined && { scopes: [...scopes] }),
    };
    response.json(view(schedules.change(found, change)));
  });

  router.delete('/:id', (request: OfSchedule, response) => {
    const found = find(request, response);
    guardOf(request, () => versionOfSchedule(found))?.();
    schedules.remove(found);
    response.json({ success: true, id: found.scheduleId });
  });

  router.post('/:id/run', (request: OfSchedule, response) => {
    const run = schedules.runNow(find(request, response));
    response.status(202).json(runView(run) satisfies ScheduleRunView);
  });

  router.get('/:id/runs', (request: OfSchedule, response) => {
    const query = readQuery('listScheduleRuns', request);
    const { scheduleId } = find(request, response);
    const placeIn = ({ dueAt: number, runId: key }: RunRecord) => ({ number, key });
    const { items, page } = pageOf(schedules.listRuns(scheduleId), { ...query, name: scheduleId, placeOf: placeIn });
    response.json({ runs: items.map(runView), ...page });
  });
}

/** Its text is checked as a prompt is, and counts towards the limit of prompts when it is sent. */
async function admit(
  services: RouteServices,
  response: Response,
  { target, prompt: text }: { target: Target; prompt: string },
): Promise<void> {
  const principal = requirePrincipal(response);
  const prompted = { text, field: 'prompt' };
  const at = () => placeOf(target);
  await admitPrompt(services, { principal, device: deviceOf(principal), prompted, isCounted: false, at });
}

/** Of what a person has said: due times go on by themselves. */
const versionOfSchedule = ({ nextAt: _next, lastDueAt: _last, ...said }: ScheduleRecord): string => versionOf(said);

const iso = (at: number): string => new Date(at).toISOString();

function scheduleView(schedule: ScheduleRecord, lastRun: RunRecord | undefined): ScheduleView {
  const { scheduleId: id, name, target, prompt, at, cron, timeZone, missed, enabled, nextAt, createdBy } = schedule;
  return {
    id,
    ...(name !== undefined && { name }),
    ...target,
    prompt,
    ...(at !== undefined && { at: iso(at) }),
    ...(cron !== undefined && { cron }),
    ...(timeZone !== undefined && { timeZone }),
    missed,
    enabled,
    ...(nextAt !== undefined && { nextAt: iso(nextAt) }),
    createdAt: iso(schedule.createdAt),
    updatedAt: iso(schedule.updatedAt),
    createdBy,
    ...(lastRun && { lastRun: runView(lastRun) }),
  };
}

function runView({ runId: id, userId: _userId, dueAt, startedAt, ...rest }: RunRecord): ScheduleRunView {
  return { id, ...rest, dueAt: iso(dueAt), ...(startedAt !== undefined && { startedAt: iso(startedAt) }) };
}
