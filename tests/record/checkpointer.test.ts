import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

test('D1: the log is moved into the database while the daemon runs, by a thread, and nothing of it is lost', async () => {
  const author = await world.connect();
  const { sessionId } = (await author.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() }))
    .data;
  const database = join(world.daemon.home, 'journal.db');
  const before = statSync(database).size;
  const acts = [...Array.from({ length: 300 }, () => ({ bigResult: 10_000 })), { result: 'done' }];
  await author.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
  const end = await author.waitFor('streamComplete');
  // SQLite's own checkpoints are far away at this size: only the thread makes the database grow.
  await waitUntil('a checkpoint was made', () => statSync(database).size > before + 300 * 10_000);
  await world.daemon.restart('SIGKILL');
  const reader = await world.connect();
  const epoch = String(author.frames[0]?.data.epoch);
  await reader.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
  await reader.waitFor(({ seq }) => seq === end.seq);
  expect(reader.events(sessionId).filter(({ type }) => type === 'toolResult')).toHaveLength(300);
});
