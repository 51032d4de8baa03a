import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config/load-config.js';
import { Hooks } from '../../services/automation/hooks.js';
import { openTokenKeys } from '../../services/identity/access-tokens.js';
import { Identity, type IdentityOptions } from '../../services/identity/identity.js';
import { openRegistryFile } from '../../services/identity/registry-file.js';
import type { Audit } from '../../services/ports/audit.js';
import type { CursorStore } from '../../services/ports/cursors.js';
import type { Journal } from '../../services/ports/journal.js';
import type { Log } from '../../services/ports/log.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { PushService } from '../../services/push/push-service.js';
import { readBootId } from '../../services/record/damage/epoch.js';
import { type OpenJournalOptions, openJournal } from '../../services/record/open-journal.js';
import type { SessionRegistry } from '../../services/sessions/session-registry.js';
import type { Metrics } from '../../services/telemetry/metrics.js';
import type { HomePaths } from '../daemon-home.js';
import { createPush } from './create-push.js';
import { createWebhooks } from './create-webhooks.js';

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
    log.warn('a refresh token was used twice; its device is revoked', { deviceId: device.deviceId });
    audit.record({
      action: 'revoke',
      outcome: 'UNAUTHORIZED',
      credential: 'refresh',
      targetUserId: device.userId,
      targetDeviceId: device.deviceId,
    });
    push.warn(device, name);
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
  const { push, sender } = createPush({
    config,
    vapidFile: paths.vapid,
    registry,
    store: opened.outbox,
    cursors: opened.cursors,
    devices: identity.devices,
    epoch: opened.journal.epoch,
    log,
    now,
    onState: (pushed) => metrics.push(pushed),
  });
  const cursors = reportedTo(push, opened.cursors);
  const { journal, answers, search, schedules, budgets, hooks: store } = opened;
  const { mac } = keys;
  const hooks = new Hooks({ store, mac, now });
  const webhooks = createWebhooks({ store: opened.webhooks, sender, push, metrics, audit, mac, now, log });
  const stores = { journal, answers, search, schedules, budgets, hooks };
  return { ...stores, cursors, identity, push, webhooks, keyId: keys.keyId };
}

/** Stores positions, and reports them to the pushes once they are written. */
const reportedTo = (push: Pick<PushService, 'acknowledged'>, cursors: CursorStore): CursorStore => ({
  ...cursors,
  writeCursors: (device, moved) => {
    cursors.writeCursors(device, moved);
    push.acknowledged(device, moved);
  },
  writeSubscription: (device, subscription, begun = new Map()) => {
    cursors.writeSubscription(device, subscription, begun);
    push.acknowledged(device, begun);
  },
});

/**
 * The owner of everything in the journal, where that is one person: a removed or lost registry does not take their
 * sessions with it. Among several people the owner cannot be determined, and no one gets another person's sessions.
 */
function ownerInJournal(journal: Journal): string {
  const owners = new Set(journal.loadSessions().map(({ record }) => record.owner));
  const [only] = owners;
  return only !== undefined && owners.size === 1 ? only : randomUUID();
}

const journalSettings = ({ journal }: HomePaths) => ({
  path: journal,
  bootId: readBootId(),
  searchScript: fileURLToPath(new URL('./search-worker.js', import.meta.url)),
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
  onExpired: (limit: string, events: number) => metrics.expired.inc({ limit }, events),
});
