/** What a prompt is made of lies in a file before the prompt is accepted: whatever fails in between. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { blobsIn } from '../support/blobs.js';
import { isAlive } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { createSteps, marked } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';
import { canMount } from './support/small-disk.js';
import { useSmallDiskWorld } from './support/small-disk-world.js';

const imageOf = (bytes: number) => ({
  mediaType: 'image/png' as const,
  data: Buffer.alloc(bytes, 7).toString('base64'),
});

describe('a daemon that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'companion-kill-'));
  const killPoint = join(folder, 'kill-point.json');
  const preload = join(import.meta.dirname, '../support/kill-points.mjs');
  const world = useWorld({
    environment: { NODE_OPTIONS: `--import ${preload}`, KILL_POINT_FILE: killPoint, CLAUDE_PATH: makeQuickCli(folder) },
  });
  const { openSession, ranOnce } = createSteps(world);

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['before-commit', 1, 0],
    ['in-commit', 1, 0],
    ['after-commit', 1, 1],
    ['after-sync', 1, 1],
  ])(
    'I1: %s of a prompt with an attachment: sent again it runs once, and no file is left',
    async (point, before, after) => {
      const deviceId = `blob-${point}`;
      const client = await world.connect({ deviceId });
      const { sessionId, pid } = await openSession(client);
      // It reads nothing, so that what is accepted waits.
      process.kill(pid, 'SIGSTOP');
      const { mark, prompt } = marked({ text: 'Once.' });
      const sent = { sessionId, prompt, attachments: [imageOf(200_000)] };
      writeFileSync(killPoint, JSON.stringify({ point, mark }));
      client.send('streamSend', sent, mark);
      const { pid: daemon } = world.daemon;
      await world.daemon.until(() => !isAlive(daemon));
      expect(blobsIn(world.daemon.home)).toHaveLength(before);
      await world.daemon.restart('SIGKILL');
      expect(blobsIn(world.daemon.home)).toHaveLength(after);
      process.kill(pid, 'SIGCONT');
      const again = await world.connect({ deviceId });
      const accepted = await again.request('streamSend', sent, mark);
      expect(accepted.data.duplicate).toBe(after === 1);
      const end = await ranOnce(sessionId, { mark, promptId: accepted.data.promptId });
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Once.' });
      await world.daemon.until(() => blobsIn(world.daemon.home).length === 0);
    },
  );
});

if (canMount()) {
  describe('a disk that is full', fullDisk);
} else {
  test('NOT RUN, since nothing can be mounted here: attachments on a disk that is full', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

function fullDisk(): void {
  const stage = useSmallDiskWorld();

  test('D1: refuses attachments that it does not take, keeps nothing of them, and takes them when there is room', async () => {
    const { client, sessionId } = stage;
    const { prompt } = marked({ text: 'With room.' });
    const sent = { sessionId, prompt, attachments: [imageOf(8 * 1024 * 1024)] };
    // Half of them finds room.
    const filler = join(stage.home, 'filler');
    writeFileSync(filler, Buffer.alloc(6 * 1024 * 1024));
    const refused = await client.request('streamSend', sent);
    expect(refused.data).toMatchObject({ code: 'STORAGE_FULL', message: expect.stringContaining('ENOSPC') });
    expect(blobsIn(stage.home)).toEqual([]);
    rmSync(filler);
    stage.fill();
    const small = { sessionId, prompt, attachments: [imageOf(100_000)] };
    expect((await client.request('streamSend', small)).data.code).toBe('STORAGE_FULL');
    expect(blobsIn(stage.home)).toEqual([]);
    stage.free();
    const accepted = await client.request('streamSend', small);
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === accepted.data.promptId,
    );
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'With room.' });
    await stage.world.daemon.until(() => blobsIn(stage.home).length === 0);
  });
}
