/** A daemon that is started, ended and killed on a disk that is really full. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { endOf } from './support/failing-world.js';
import { canMount } from './support/small-disk.js';
import { useSmallDiskWorld } from './support/small-disk-world.js';

if (canMount()) {
  describe('a daemon on a disk that is full', starting);
} else {
  test('NOT RUN, since nothing can be mounted here: starting a daemon on a disk that is full', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

function starting(): void {
  const stage = useSmallDiskWorld();
  const { world, fill, free } = stage;

  const expectReading = async () => {
    const history = await stage.client.request('getMessageHistory', { sessionId: stage.sessionId });
    expect(history.type).toBe('getMessageHistory');
  };

  test('D1: ends and starts, or says in one line why it cannot, and starts when there is room', async () => {
    fill();
    await world.daemon.restart('SIGTERM');
    await stage.reconnect();
    await expectReading();
    await world.daemon.kill('SIGTERM');
    // What the last daemon gave back is taken too.
    fill();
    const refused = await world.daemon.start().then(
      () => 'it served',
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/claude-companion: .* cannot be written: .*\n$/);
    expect(refused).not.toContain('    at ');
    free();
    await world.daemon.start();
    await stage.reconnect();
    await stage.expectGoodTurn('Started again.');
  });

  test('H2, I1: that is killed while output is lost starts, lets one read, and nothing runs twice', async () => {
    const { client, sessionId } = stage;
    const prompt = scenario({ text: 'words '.repeat(4000), chunk: 24, gateAfter: { deltas: 3, gate: 'deadly' } });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('deadly');
    fill();
    world.api.release('deadly');
    await client.waitFor(({ type, data }) => type === 'progress' && data.stage === 'storage_full');
    await world.daemon.kill('SIGKILL');
    await world.daemon.start();
    await stage.reconnect();
    await expectReading();
    free();
    const end = await stage.client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ isError: true });
    await stage.expectGoodTurn('After the restart.');
    expect(world.api.runs(prompt)).toBe(1);
  });

  test('D1: that is read-only says so in one line with the remedy, and starts when it is writable again', async () => {
    // A disk on which a CLI writes cannot be made read-only.
    const { sessions } = (await (await world.daemon.fetch('/api/sessions')).json()) as { sessions: { id: string }[] };
    for (const { id } of sessions) await world.daemon.fetch(`/api/sessions/${id}`, { method: 'DELETE' });
    await waitUntil('every CLI has gone', () => readdirSync(join(stage.home, 'run')).length === 0);
    await world.daemon.kill('SIGTERM');
    stage.setReadOnly(true);
    const refused = await world.daemon.start().then(
      () => 'it served',
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/claude-companion: .*\n/);
    expect(refused).toContain('writable');
    expect(refused).not.toContain('    at ');
    stage.setReadOnly(false);
    await world.daemon.start();
    await stage.reconnect();
    await expectReading();
  });
}
