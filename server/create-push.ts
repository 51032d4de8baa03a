import { basename } from 'node:path';
import type { Config } from '../config/load-config.js';
import type { PushSender } from '../services/ports/push.js';
import type { PushSessions } from '../services/ports/push-people.js';
import type { UserId } from '../services/ports/records.js';
import { wantsApns } from '../services/push/apns-key.js';
import { apnsEndpoints, createApnsSender } from '../services/push/apns-sender.js';
import { createNtfySender } from '../services/push/ntfy-sender.js';
import { PushReach } from '../services/push/push-reach.js';
import { PushService, type PushServiceOptions } from '../services/push/push-service.js';
import { chooseSubject } from '../services/push/vapid-subject.js';
import {
  createWebPushSender,
  type WebPushSender,
  type WebPushSenderOptions,
} from '../services/push/web-push-sender.js';
import type { Session } from '../services/sessions/session.js';
import type { SessionRegistry } from '../services/sessions/session-registry.js';
import { openPermissions, statusOf } from '../services/sessions/session-state.js';

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

/** Creates the push service from the settings. */
export function createPush({ config, vapidFile, registry, ...others }: PushOptions): PushService {
  const reach = new PushReach({ allowPrivate: config.PUSH_ALLOW_PRIVATE });
  const vapidSubject = chooseSubject(config.VAPID_SUBJECT, config.PUBLIC_URL);
  const web = webSender(config, vapidFile, { reach, subject: vapidSubject.subject });
  const configured = [apnsSender(config), ntfySender(config)].filter((sender) => sender !== undefined);
  return new PushService({
    ...others,
    sessions: pushSessions(registry),
    senders: [...configured, web],
    isSetUp: configured.length > 0 || namesVapid(config),
    vapidKey: web.publicKey,
    vapidSubject,
    reach,
    body: config.APNS_BODY,
    lastSaidAt: (userId) => lastSaidAt(registry(), userId),
  });
}

function apnsSender(config: Config): PushSender | undefined {
  const credential = {
    keyFile: config.APNS_KEY_FILE,
    key: config.APNS_KEY,
    keyId: config.APNS_KEY_ID,
    teamId: config.APNS_TEAM_ID,
    certificateFile: config.APNS_CERT_FILE,
    certificateKeyFile: config.APNS_CERT_KEY_FILE,
  };
  if (!wantsApns(credential)) return undefined;
  return createApnsSender({
    credential,
    topic: config.APNS_TOPIC,
    endpoints: apnsEndpoints(config.APNS_ADDRESS, config.APNS_PORT),
    caFile: config.APNS_CA_FILE,
    actions: config.PUSH_ACTIONS,
  });
}

/** Needs no account: the keys are generated at the first start, and a browser provides the address of its service. */
function webSender(
  config: Config,
  file: string,
  parts: Pick<WebPushSenderOptions, 'reach' | 'subject'>,
): WebPushSender {
  const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey } = config;
  return createWebPushSender({ keys: { publicKey, privateKey, file }, ...parts });
}

const namesVapid = ({ VAPID_SUBJECT, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY }: Config): boolean =>
  [VAPID_SUBJECT, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY].some((value) => value !== undefined);

function ntfySender(config: Config): PushSender | undefined {
  const { NTFY_URL: url, NTFY_TOKEN: token, PUBLIC_URL: publicUrl, PUSH_ACTIONS: actions } = config;
  return url === undefined ? undefined : createNtfySender({ url, token, publicUrl, actions });
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
