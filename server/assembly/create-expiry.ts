import type { Config } from '../../config/load-config.js';
import type { Delivery } from '../../services/delivery/delivery.js';
import { DeviceExpiry } from '../../services/delivery/device/device-expiry.js';
import type { Identity } from '../../services/identity/identity.js';
import type { CursorStore } from '../../services/ports/cursors.js';
import type { Log } from '../../services/ports/log.js';
import { SteadyClock } from '../../services/record/retention/steady-clock.js';
import { SessionExpiry } from '../../services/sessions/session-expiry.js';
import type { SessionRegistry } from '../../services/sessions/session-registry.js';

export interface ExpiryParts {
  registry: SessionRegistry;
  /** In milliseconds. */
  ttlMs: number;
  log: Log;
}

/**
 * Closes unused sessions from now on. The sessions must have been loaded: their times show whether the wall clock has
 * jumped while no daemon was running.
 */
export function createExpiry({ registry, ttlMs, log }: ExpiryParts): SessionExpiry {
  const last = Math.max(...registry.all().map((session) => session.lastUse));
  const clock = steadyClock(Number.isFinite(last) ? last : undefined);
  return new SessionExpiry({ sessions: () => registry.all(), ttlMs, now: () => clock.now(), log });
}

export interface DeviceExpiryParts {
  config: Config;
  registry: SessionRegistry;
  delivery: Delivery;
  cursors: CursorStore;
  identity: Identity;
  log: Log;
}

/** Forgets devices that do not reconnect, from now on. */
export function createDeviceExpiry({ config, registry, delivery, cursors, identity, log }: DeviceExpiryParts) {
  const clock = steadyClock();
  return new DeviceExpiry({
    cursors,
    ttlMs: config.DEVICE_TTL_MS,
    now: () => clock.now(),
    isConnected: (device) => delivery.isConnected(device),
    isRegistered: (device) => identity.devices.knows(device),
    endedSessions: () => {
      const at = clock.now();
      return registry.all().flatMap((session) => (registry.hasEnded(session, at) ? [session.id] : []));
    },
    log,
  });
}

const steadyClock = (last?: number): SteadyClock =>
  new SteadyClock({
    wall: () => Date.now(),
    monotonic: () => performance.now(),
    ...(last !== undefined && { last }),
  });
