import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/load-config.js';
import { Identity, type IdentityOptions } from '../services/identity/identity.js';
import { openRegistryFile } from '../services/identity/registry-file.js';
import { openTokenKeys } from '../services/identity/token-keys.js';
import { readBootId } from '../services/journal/epoch.js';
import { type OpenJournalOptions, openJournal } from '../services/journal/open-journal.js';
import type { Audit } from '../services/ports/audit.js';
import type { Journal } from '../services/ports/journal.js';
import type { Log } from '../services/ports/log.js';
import type { DeviceRef } from '../services/ports/records.js';
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
  audit: Audit;
  /** Ends the connections of invalid credentials. */
  onRevoked: IdentityOptions['onRevoked'];
}

/** The stored data: events, positions, people and their devices, and the pushes that follow from them. */
export async function openRecord({ metrics, now, registry, audit, onRevoked, ...options }: RecordOptions) {
  const { config, paths, log } = options;
  const retention = retentionOf({ config, metrics, now });
  const opened = openJournal({ ...options, ...journalSettings(paths), retention });
  const keys = await openTokenKeys(paths.keys);
  const onReused = (device: DeviceRef, name: string | undefined) => {
    log.warn('a refresh token was used twice: its device is out', { deviceId: device.deviceId });
    audit.record({
      action: 'revoke',
      outcome: 'UNAUTHORIZED',
      credential: 'refresh',
      targetUserId: device.userId,
      targetDeviceId: device.deviceId,
    });
    void push
      .warn(device, name)
      .catch((error: unknown) => log.warn('the warning was not sent', { error: String(error) }));
  };
  const authToken = config.AUTH_TOKEN;
  const identity = new Identity({
    registry: await openRegistryFile(paths.registry, () => ownerInJournal(opened.journal)),
    keys,
    now,
    onRevoked,
    onReused,
    ...(authToken !== undefined && { authToken }),
  });
  const push = createPush({
    config,
    vapidFile: paths.vapid,
    registry,
    store: opened.outbox,
    cursors: opened.cursors,
    devices: identity.devices,
    epoch: opened.journal.epoch,
    log,
    now,
    onState: ({ kind, state }) => metrics.push(kind, state),
  });
  const journal = owingJournal(opened.journal, { push: () => push, log });
  const cursors = watchedCursors(opened.cursors, { push: () => push, log });
  return { journal, cursors, identity, push, keyId: keys.keyId };
}

/**
 * The owner of everything in the journal, where that is one person: a removed or lost registry does not take their
 * sessions with it. Among several people the owner cannot be determined, and no one gets another person's sessions.
 */
async function ownerInJournal(journal: Journal): Promise<string> {
  const owners = new Set((await journal.loadSessions()).map(({ record }) => record.owner));
  const [only] = owners;
  return only !== undefined && owners.size === 1 ? only : randomUUID();
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
