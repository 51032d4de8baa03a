import { fileURLToPath } from 'node:url';
import type { Config } from '../config/load-config.js';
import { Identity } from '../services/identity/identity.js';
import { openRegistryFile } from '../services/identity/registry-file.js';
import { readBootId } from '../services/journal/epoch.js';
import { type OpenJournalOptions, openJournal } from '../services/journal/open-journal.js';
import type { Log } from '../services/ports/log.js';
import { owingJournal, watchedCursors } from '../services/push/owing-journal.js';
import type { SessionRegistry } from '../services/sessions/session-registry.js';
import type { Metrics } from '../services/telemetry/metrics.js';
import { createPush } from './create-push.js';
import type { HomePaths } from './daemon-home.js';

interface RecordOptions extends Pick<OpenJournalOptions, 'damage' | 'onDamage'> {
  config: Config;
  paths: HomePaths;
  log: Log;
  metrics: Metrics;
  now: () => number;
  registry: () => SessionRegistry;
}

/** What is on record: events, positions, people and their devices, and the pushes that follow from them. */
export async function openRecord({ metrics, now, registry, ...options }: RecordOptions) {
  const { config, paths, log } = options;
  const retention = retentionOf({ config, metrics, now });
  const opened = openJournal({ ...options, ...journalSettings(paths), retention });
  const identity = await openIdentity({ config, paths, now });
  const push = createPush({
    config,
    vapidFile: paths.vapid,
    registry,
    store: opened.outbox,
    cursors: opened.cursors,
    devices: identity,
    epoch: opened.journal.epoch,
    log,
    now,
    onState: ({ kind, state }) => metrics.push(kind, state),
  });
  const journal = owingJournal(opened.journal, () => push);
  const cursors = watchedCursors(opened.cursors, () => push);
  return { journal, cursors, identity, push };
}

const journalSettings = ({ journal }: HomePaths) => ({
  path: journal,
  bootId: readBootId(),
  checkpointScript: fileURLToPath(new URL('./checkpoint-worker.js', import.meta.url)),
});

interface Parts {
  config: Config;
  metrics: Metrics;
  now: () => number;
}

const retentionOf = ({ config, metrics, now }: Parts) => ({
  limits: { days: config.RETENTION_DAYS, events: config.RETENTION_EVENTS, bytes: config.RETENTION_BYTES },
  now,
  onExpired: (limit: string, events: number) => metrics.expired(limit, events),
});

async function openIdentity({ config, paths, now }: Pick<Parts, 'config' | 'now'> & { paths: HomePaths }) {
  const registry = await openRegistryFile(paths.registry);
  return new Identity({ registry, now, ...(config.AUTH_TOKEN !== undefined && { authToken: config.AUTH_TOKEN }) });
}
