import { createHash } from 'node:crypto';
import type { Daemon } from '../../tests/support/daemon.js';

/** As Apple gives them out: 32 bytes, hexadecimal. */
export const tokenOf = (deviceId: string): string => createHash('sha256').update(deviceId).digest('hex');

/** Devices of the owner that can be pushed to, and are not connected. */
export async function registerDevices(daemon: Daemon, deviceIds: readonly string[]): Promise<void> {
  for (const deviceId of deviceIds) {
    const response = await daemon.fetch('/api/push-notifications/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ deviceId, platform: 'ios', token: tokenOf(deviceId) }),
    });
    if (!response.ok) throw new Error(`${deviceId} was not registered: ${await response.text()}`);
  }
}
