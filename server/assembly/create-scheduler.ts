import type { DeviceId } from '../../protocol/scalars.js';
import { admitPrompt } from '../../routes/access/admit-prompt.js';
import { toCompanionError } from '../../routes/http/http-errors.js';
import type { RouteServices } from '../../routes/route-services.js';
import { Scheduler, type SentPrompt } from '../../services/automation/scheduler.js';
import { placeOf, sendAutomatic } from '../../services/commands/automatic.js';
import type { Principal } from '../../services/identity/principal.js';
import type { Log } from '../../services/ports/log.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { RunRecord, ScheduleRecord, ScheduleStore } from '../../services/ports/schedules.js';
import { digestOf } from '../../services/telemetry/digest-of.js';

interface SchedulerParts {
  store: ScheduleStore;
  /** Exist when it begins. */
  services: () => RouteServices;
  now: () => number;
  log: Log;
}

/** Sends what is due as its person would, with the scopes that the person had. */
export function createScheduler({ store, services, now, log }: SchedulerParts): Scheduler {
  return new Scheduler({
    store,
    send: (schedule, run) => send(services(), schedule, run),
    findSent: (run) => findSent(services(), run),
    isPerson: (userId) => services().identity.people.find(userId) !== undefined,
    now,
    log,
  });
}

function findSent({ journal }: RouteServices, run: RunRecord): SentPrompt | undefined {
  const found = journal.findRequest(deviceOf(run), requestIdOf(run));
  return found && { sessionId: found.sessionId, promptId: found.promptId };
}

async function send(services: RouteServices, schedule: ScheduleRecord, run: RunRecord) {
  const { target, prompt: text, userId, scopes } = schedule;
  const device = deviceOf(run);
  const principal: Principal = { userId, credential: 'key', scopes: new Set(scopes) };
  const facts = { 'companion.schedule.id': schedule.scheduleId };
  const span = services.tracing?.begin({ name: 'schedule', parent: undefined, facts });
  const entry = { action: 'prompt', userId, deviceId: device.deviceId, digest: digestOf(text) } as const;
  try {
    await admitPrompt(services, {
      principal,
      device,
      prompted: { text, field: 'prompt' },
      isCounted: true,
      at: () => placeOf(target),
    });
    const prompt = { device, requestId: requestIdOf(run), trace: span?.traceparent, target, prompt: text };
    const sent = await sendAutomatic(services, prompt);
    span?.end();
    services.audit.record({ ...entry, outcome: 'ok', sessionId: sent.sessionId });
    return sent;
  } catch (error) {
    const { code } = toCompanionError(error);
    span?.end({ 'error.type': code }, { isError: true });
    services.audit.record({ ...entry, outcome: code });
    throw error;
  }
}

/** The sender of its prompts: no device of a person has such a name by chance. */
const deviceOf = ({ userId, scheduleId }: RunRecord): DeviceRef => ({ userId, deviceId: scheduleId as DeviceId });

const requestIdOf = ({ dueAt, manual }: RunRecord): string => `${manual ? 'now' : 'due'}-${dueAt}`;
