/**
 * When the daemon forgets devices that do not return, and their positions in closed sessions. No child says anything here,
 * and the stand-in for the CLI starts for a tenth of the real one's processor time.
 */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { connect } from '../../services/record/sqlite/sqlite-database.js';
import { rewriteRecord } from '../support/rewrite-record.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const DAY_MS = 86_400_000;
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');

/** Ids of the devices that have rows in this table. */
function devicesIn({ daemon }: World, table: 'subscriptions' | 'cursors'): string[] {
  const database = connect(join(daemon.home, 'journal.db'));
  try {
    return database.prepare<[], string>(`SELECT DISTINCT device_id FROM ${table}`).pluck().all();
  } finally {
    database.close();
  }
}

/** Runs this SQL on the journal of a daemon that does not run. */
function rewrite({ daemon }: World, sql: string): void {
  const database = connect(join(daemon.home, 'journal.db'));
  database.prepare(sql).run();
  database.close();
}

const subscribeToAll = (client: WireClient) => client.request('subscribe', { events: ['*'] });

describe('a device that does not return', () => {
  const world = useWorld({ environment: { CLAUDE_PATH, DEVICE_TTL_MS: '2000' } });

  test('is forgotten after DEVICE_TTL_MS with all its positions; a connected one is not', async () => {
    const here = await world.connect({ deviceId: 'here' });
    await here.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    await subscribeToAll(here);
    const gone = await world.connect({ deviceId: 'gone' });
    await subscribeToAll(gone);
    expect(devicesIn(world, 'subscriptions').sort()).toEqual(['gone', 'here']);
    await gone.close();
    await world.daemon.until(() => !devicesIn(world, 'subscriptions').includes('gone'));
    expect(devicesIn(world, 'cursors')).toEqual(['here']);
    expect(devicesIn(world, 'subscriptions')).toEqual(['here']);
    const again = await world.connect({ deviceId: 'gone' });
    expect((await again.waitFor('welcome')).data.resumed).toEqual([]);
  });
});

describe('a device that lost its subscription, but not its positions', () => {
  const world = useWorld({ environment: { CLAUDE_PATH, DEVICE_TTL_MS: '4000' } });

  test('D2: continues from its position when it subscribes again, and is forgotten after DEVICE_TTL_MS when it does not', async () => {
    const author = await world.connect({ deviceId: 'author' });
    const started = await author.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    const { sessionId } = started.data;
    for (const deviceId of ['back', 'gone']) {
      const client = await world.connect({ deviceId });
      await subscribeToAll(client);
      await client.close();
    }
    await author.request('streamClose', { sessionId, reason: 'done' });
    await world.daemon.kill('SIGKILL');
    rewrite(world, `DELETE FROM subscriptions WHERE device_id <> 'author'`);
    await world.daemon.start();
    await world.daemon.until(() => devicesIn(world, 'subscriptions').length === 3);
    const back = await world.connect({ deviceId: 'back' });
    expect((await back.waitFor('welcome')).data.resumed).toEqual([]);
    const { sessions } = (await subscribeToAll(back)).data;
    expect(sessions).toMatchObject([{ sessionId, resume: 'replay' }]);
    await back.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'closed');
    await world.daemon.until(() => !devicesIn(world, 'cursors').includes('gone'));
    expect(devicesIn(world, 'cursors')).toContain('back');
    expect(devicesIn(world, 'subscriptions')).not.toContain('gone');
  });

  test('a position in a missing session is removed', async () => {
    await world.daemon.kill('SIGKILL');
    rewrite(world, `DELETE FROM cursors`);
    rewrite(world, `DELETE FROM subscriptions`);
    rewrite(world, `INSERT INTO cursors (user_id, device_id, session_id, seq, epoch) VALUES ('u', 'd', 's', 1, 'e')`);
    await world.daemon.start();
    await world.daemon.until(() => devicesIn(world, 'cursors').length === 0);
  });
});

describe('a device without a name', () => {
  const world = useWorld({ environment: { CLAUDE_PATH } });

  test('D2: resumes under the id that it was given; the daemon keeps at most ten others', async () => {
    const author = await world.connect({ deviceId: 'author' });
    const started = await author.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    for (let count = 0; count < 14; count += 1) {
      const client = await world.connect();
      await subscribeToAll(client);
      await client.close();
    }
    await world.daemon.until(() => devicesIn(world, 'subscriptions').length <= 11);
    await world.daemon.until(() => devicesIn(world, 'cursors').length <= 11);
    const { deviceId, ...nameless } = await world.connect();
    await subscribeToAll(nameless as WireClient);
    await nameless.close();
    const back = await world.connect({ deviceId });
    expect((await back.waitFor('welcome')).data.resumed).toMatchObject([{ sessionId: started.data.sessionId }]);
    expect(devicesIn(world, 'cursors')).toContain('author');
  });
});

describe('a session that was closed long ago', () => {
  const world = useWorld({ environment: { CLAUDE_PATH, DEVICE_TTL_MS: '4000', RETENTION_DAYS: '1' } });

  test('D3: keeps no positions, and followers of all sessions are told when it is opened again', async () => {
    const workingDirectory = world.daemon.project();
    const first = await world.connect({ deviceId: 'phone' });
    await subscribeToAll(first);
    const started = await first.request('streamStart', { prompt: '', workingDirectory });
    const { sessionId } = started.data;
    await first.request('streamClose', { sessionId, reason: 'done' });
    await first.close();
    await world.daemon.kill('SIGKILL');
    rewriteRecord(world.daemon.home, sessionId, (record) => ({ ...record, updatedAt: record.updatedAt - 2 * DAY_MS }));
    await world.daemon.start();
    const phone = await world.connect({ deviceId: 'phone' });
    await world.daemon.until(() => devicesIn(world, 'cursors').length === 0);
    await phone.close();
    const back = await world.connect({ deviceId: 'phone' });
    expect((await back.waitFor('welcome')).data.resumed).toEqual([]);
    const other = await world.connect({ deviceId: 'other' });
    const again = await other.request('streamStart', { prompt: '', workingDirectory });
    expect(again.data).toMatchObject({ sessionId, reused: true });
    await back.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
  });
});
