import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { refreshLabels } from '../../services/commands/session.js';
import type { Principal } from '../../services/identity/principal.js';
import { answer, type RequestContext } from './request-context.js';

export async function subscribe(context: RequestContext, data: ClientData<'subscribe'>): Promise<void> {
  const { delivery } = context.connection;
  const { events, sessionIds, cursors, deltaIntervalMs } = data;
  const { sessions, begin } = delivery.subscribe({
    events,
    ...(sessionIds && { sessionIds }),
    ...(cursors && { cursors }),
    ...(deltaIntervalMs !== undefined && { deltaIntervalMs }),
  });
  const shown = sessions.map(({ sessionId, resume, reason, from, head }) => ({
    sessionId,
    resume,
    ...(reason && { reason }),
    from,
    head,
  }));
  const ids = shown.map(({ sessionId }) => sessionId);
  answer(context, 'subscribed', { events, sessionIds: ids, success: true, sessions: shown });
  begin();
  const { services } = context.connection;
  void refreshLabels(
    services,
    ids.flatMap((id) => services.registry.find(id) ?? []),
  );
}

export async function unsubscribe(context: RequestContext, { sessionIds }: ClientData<'unsubscribe'>): Promise<void> {
  context.connection.delivery.unsubscribe(sessionIds);
  answer(context, 'unsubscribed', { sessionIds });
}

export async function ack({ connection }: RequestContext, { sessionId, seq }: ClientData<'ack'>): Promise<void> {
  connection.delivery.ack(sessionId, seq);
}

export async function registerDevice(context: RequestContext, data: ClientData<'registerDevice'>): Promise<void> {
  const { services, device } = context.connection;
  await services.push.reach.requirePublic(data);
  // The device can have been revoked during the lookup of the host.
  if (context.connection.isExpelled) return;
  await services.identity.devices.register(device, data);
  services.push.judgeAgain(device.userId);
  answer(context, 'deviceRegistered', { success: true, deviceId: device.deviceId });
}

export const presence =
  (state: 'foreground' | 'background') =>
  async (context: RequestContext): Promise<void> => {
    context.connection.visit.say(state);
    answer(context, 'presence', { state });
  };

/** For credentials that do not expire: far beyond the life of a connection. */
const NEVER = new Date(Date.UTC(9999, 11, 31)).toISOString();

export async function reauthenticate(context: RequestContext, { token }: ClientData<'reauthenticate'>): Promise<void> {
  const { services, principal } = context.connection;
  const found = await services.identity.authenticate(token);
  if (typeof found === 'string' || !isSameDevice(found, principal)) {
    throw new CompanionError('UNAUTHORIZED', 'The token is not valid.', {
      field: 'token',
      rule: 'must be a valid credential of this device',
    });
  }
  context.connection.renew(found);
  const { expiresAt } = found;
  answer(context, 'reauthenticated', {
    expiresAt: expiresAt === undefined ? NEVER : new Date(expiresAt).toISOString(),
  });
}

/** A connection always belongs to one person and one device. */
const isSameDevice = (one: Principal, other: Principal): boolean =>
  one.userId === other.userId && one.device?.deviceId === other.device?.deviceId && one.key?.keyId === other.key?.keyId;

export async function ping(context: RequestContext): Promise<void> {
  answer(context, 'pong', { serverTime: new Date(context.connection.services.now()).toISOString() });
}
