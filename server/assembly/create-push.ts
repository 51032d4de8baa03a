import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config/load-config.js';
import { VERSION } from '../../config/version.js';
import type { PushSessions } from '../../services/ports/push-people.js';
import type { UserId } from '../../services/ports/records.js';
import { apnsProblem, readApnsFiles, wantsApns } from '../../services/push/apns/apns-key.js';
import { type ApnsSenderOptions, apnsEndpoints } from '../../services/push/apns/apns-sender.js';
import type { NtfySenderOptions } from '../../services/push/ntfy/ntfy-sender.js';
import { PushService, type PushServiceOptions } from '../../services/push/push-service.js';
import { SenderThread } from '../../services/push/sending/sender-thread.js';
import { PushReach } from '../../services/push/web/push-reach.js';
import { chooseSubject, openVapidKeys } from '../../services/push/web/vapid.js';
import { openPermissions, statusOf } from '../../services/sessions/machine/session-state.js';
import type { Session } from '../../services/sessions/session.js';
import type { SessionRegistry } from '../../services/sessions/session-registry.js';

export interface PushOptions
  extends Omit<
    PushServiceOptions,
    'sessions' | 'senders' | 'isSetUp' | 'vapidKey' | 'vapidSubject' | 'reach' | 'body' | 'lastSaidAt'
  > {
  config: Config;
  /** The file of the keys that identify this daemon to push services of browsers. */
  vapidFile: string;
  registry: () => SessionRegistry;
}

/**
 * Creates the push service from the settings, and what sends for it and for webhooks. Reads the files of keys, and
 * generates the keys for browsers.
 */
export function createPush({ config, vapidFile, registry, ...others }: PushOptions): {
  push: PushService;
  sender: SenderThread;
} {
  const reach = new PushReach({ allowPrivate: config.PUSH_ALLOW_PRIVATE });
  const vapidSubject = chooseSubject(config.VAPID_SUBJECT, config.PUBLIC_URL);
  const opened = openVapidKeys({
    publicKey: config.VAPID_PUBLIC_KEY,
    privateKey: config.VAPID_PRIVATE_KEY,
    file: vapidFile,
  });
  const [apns, ntfy] = [apnsOptions(config), ntfyOptions(config)];
  const web = { opened, subject: vapidSubject.subject, allowPrivate: config.PUSH_ALLOW_PRIVATE };
  const webhooks = { userAgent: `claude-companion/${VERSION}`, allowPrivate: config.PUSH_ALLOW_PRIVATE };
  const thread = new SenderThread({ script: SENDER_SCRIPT, settings: { apns, web, ntfy, webhooks }, log: others.log });
  const configured = [
    apns && thread.senderFor('ios', () => apnsProblem(apns.ready, others.now())),
    ntfy && thread.senderFor('ntfy'),
  ].filter((sender) => sender !== undefined);
  const push = new PushService({
    ...others,
    sessions: pushSessions(registry),
    // A browser needs no account: it provides the address of its service.
    senders: [...configured, thread.senderFor('web', () => ('problem' in opened ? opened.problem : undefined))],
    isSetUp: configured.length > 0 || namesVapid(config),
    vapidKey: 'keys' in opened ? opened.keys.publicKey : undefined,
    vapidSubject,
    reach,
    body: config.APNS_BODY,
    lastSaidAt: (userId) => lastSaidAt(registry(), userId),
  });
  return { push, sender: thread };
}

const SENDER_SCRIPT = fileURLToPath(new URL('./sender-worker.js', import.meta.url));

function apnsOptions(config: Config): ApnsSenderOptions | undefined {
  const credential = {
    keyFile: config.APNS_KEY_FILE,
    key: config.APNS_KEY,
    keyId: config.APNS_KEY_ID,
    teamId: config.APNS_TEAM_ID,
    certificateFile: config.APNS_CERT_FILE,
    certificateKeyFile: config.APNS_CERT_KEY_FILE,
  };
  if (!wantsApns(credential)) return undefined;
  return {
    ready: readApnsFiles(credential, config.APNS_CA_FILE, Date.now()),
    topic: config.APNS_TOPIC,
    endpoints: apnsEndpoints(config.APNS_ADDRESS, config.APNS_PORT),
    actions: config.PUSH_ACTIONS,
  };
}

const namesVapid = ({ VAPID_SUBJECT, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY }: Config): boolean =>
  [VAPID_SUBJECT, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY].some((value) => value !== undefined);

function ntfyOptions(config: Config): NtfySenderOptions | undefined {
  const { NTFY_URL: url, NTFY_TOKEN: token, PUBLIC_URL: publicUrl, PUSH_ACTIONS: actions } = config;
  return url === undefined ? undefined : { url, token, publicUrl, actions };
}

const requestIds = ({ state }: Session): Set<string> =>
  new Set(openPermissions(state).map(({ permissionId }) => permissionId));

/** Streamed text is in no journal: a session's clock advances with each step of its child. */
function lastSaidAt(registry: SessionRegistry, userId: UserId): number {
  let latest = Number.NEGATIVE_INFINITY;
  for (const session of registry.all())
    if (session.owner === userId && session.hasChild) latest = Math.max(latest, session.state.ticks);
  return latest;
}

/** Sessions from the view of pushes. */
const pushSessions = (registry: () => SessionRegistry): PushSessions => ({
  find: (sessionId) => {
    const session = registry().find(sessionId);
    if (!session) return undefined;
    const { directory, push } = session.state.record;
    return {
      owner: session.owner,
      project: basename(directory),
      preferences: push,
      openRequests: requestIds(session),
    };
  },
  openRequests: (userId) =>
    new Map(
      registry()
        .all()
        .filter(({ owner }) => owner === userId)
        .map(({ id, state }) => [id, openPermissions(state).length]),
    ),
  working: (userId) =>
    registry()
      .owned(userId)
      .filter(({ state }) => statusOf(state) === 'working')
      .map(({ id }) => id),
});
