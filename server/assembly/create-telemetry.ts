import { VERSION } from '../../config/version.js';
import type { EventStreams } from '../../routes/sse/event-streams.js';
import type { Delivery } from '../../services/delivery/delivery.js';
import { availableMemory, freeDisk } from '../../services/machine/machine-room.js';
import type { PushService } from '../../services/push/push-service.js';
import type { Webhooks } from '../../services/push/webhooks/webhooks.js';
import { openPermissions, queuedPrompts } from '../../services/sessions/machine/session-state.js';
import type { SessionRegistry } from '../../services/sessions/session-registry.js';
import { Clients } from '../../services/telemetry/clients.js';
import { Metrics } from '../../services/telemetry/metrics.js';
import { SessionObserver } from '../../services/telemetry/observe-sessions.js';

export interface CountedParts {
  delivery: Delivery;
  eventStreams: EventStreams;
  registry: SessionRegistry;
  push: PushService;
  webhooks: Pick<Webhooks, 'owedCount'>;
}

interface TelemetryOptions {
  home: string;
  now: () => number;
  maxChildren: number;
  memoryOf: (pid: number) => Promise<number | undefined>;
  /** Exist when something is first read. */
  parts: () => CountedParts;
}

/** The counters of the daemon, and what counts. */
export function createTelemetry({ home, now, maxChildren, memoryOf, parts }: TelemetryOptions) {
  const sum = (count: (session: ReturnType<SessionRegistry['all']>[number]) => number) => () =>
    parts()
      .registry.all()
      .reduce((total, session) => total + count(session), 0);
  const metrics = new Metrics({
    version: VERSION,
    readings: {
      connections: () => parts().delivery.connectionCount,
      unsentBytes: () => parts().delivery.unsentBytes + parts().eventStreams.unsentBytes,
      sessions: () => parts().registry.all().length,
      children: sum(({ pid }) => (pid === undefined ? 0 : 1)),
      maxChildren: () => maxChildren,
      childMemory: async () => {
        const pids = parts()
          .registry.all()
          .flatMap(({ pid }) => pid ?? []);
        const bytes = await Promise.all(pids.map((pid) => memoryOf(pid)));
        return bytes.reduce<number>((total, one = 0) => total + one, 0);
      },
      waitingForChild: sum(({ state }) => (state.place ? 1 : 0)),
      queuedPrompts: sum(({ state }) => queuedPrompts(state).length),
      openPermissions: sum(({ state }) => openPermissions(state).length),
      openPushes: () => parts().push.openCount,
      openWebhookDeliveries: () => parts().webhooks.owedCount,
      eventStreams: () => parts().eventStreams.count,
      freeMemory: availableMemory,
      freeDisk: () => freeDisk(home),
    },
  });
  const clients = new Clients(now);
  metrics.countFrames(() => clients.totals());
  const observer = new SessionObserver({
    metrics,
    factsOf: (sessionId) => {
      const record = parts().registry.find(sessionId)?.state.record;
      return record && { ...record, model: record.model ?? record.modelChoice };
    },
    now,
  });
  return { metrics, clients, observer };
}
