/** What the daemon says of itself on a disk that is full, where no setting asks for free space. */
import { expect, test } from '@jest/globals';
import { waitUntil } from '../support/wait-until.js';
import { canMount } from './support/small-disk.js';
import { useSmallDiskWorld } from './support/small-disk-world.js';

if (canMount()) {
  const stage = useSmallDiskWorld();
  const statusOf = async (path: string) => (await stage.world.daemon.fetch(path)).status;

  test('D1: a write that was refused is in the health until one succeeds again, without anybody asking for it', async () => {
    const { client, sessionId } = stage;
    expect(await statusOf('/ready')).toBe(200);
    stage.fill();
    await expect(client.request('streamSend', { sessionId, prompt: 'Hello?' })).resolves.toMatchObject({
      type: 'error',
      data: { code: 'STORAGE_FULL' },
    });
    const health = await (await stage.world.daemon.fetch('/health')).json();
    expect(health).toMatchObject({
      status: 'unhealthy',
      checks: { database: 'failed' },
      remedies: { database: expect.stringContaining('cannot be written') },
    });
    expect(await statusOf('/ready')).toBe(503);
    stage.free();
    await waitUntil('it is well again', async () => (await statusOf('/ready')) === 200);
  });
} else {
  test('NOT RUN, since nothing can be mounted here: the health on a full disk', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}
