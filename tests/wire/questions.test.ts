/** `ask` without a directory: its CLI comes through the same door as every other. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const MAX = 1;
const world = useWorld({
  environment: { MAX_PROCESSES: String(MAX), CLAUDE_DISALLOWED_TOOLS: 'WebFetch', CLAUDE_MODEL: 'claude-haiku-4-5' },
});

/** The command lines of the CLIs that answer questions of this daemon now. */
function questionsRunning(): string[][] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const isOne = readlinkSync(`/proc/${pid}/cwd`).startsWith(join(world.daemon.home, 'ask'));
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return isOne && words.includes('--output-format=json') ? [words] : [];
    } catch {
      return [];
    }
  });
}

test('a session whose CLI is idle makes room for a question', async () => {
  const client = await world.connect();
  const { data } = await client.request('streamStart', { prompt: 'Hello?', workingDirectory: world.daemon.project() });
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.sessionId === data.sessionId);
  expect((await client.request('ask', { prompt: 'Is there room?' })).data).toMatchObject({ success: true });
  expect(world.daemon.sessionProcesses(data.sessionId)).toEqual([]);
});

test('questions wait for a slot of MAX_PROCESSES, and each is answered, by a CLI that is told what every CLI is told; one that gets no slot within its time is answered with TIMEOUT, and leaves the queue', async () => {
  const client = await world.connect();
  const first = client.request('ask', { prompt: scenario({ gate: 'first', text: 'One.' }) });
  await world.api.reached('first');
  const late = await client.request('ask', { prompt: 'Hello?', options: { format: 'text', timeout: 300 } });
  expect(late).toMatchObject({ type: 'error', data: { code: 'TIMEOUT' } });
  const second = client.request('ask', { prompt: scenario({ gate: 'second', text: 'Two.' }) });
  // Frames are begun in their order: the question before this one has been begun as well.
  await client.request('ping', {});
  expect(questionsRunning()).toHaveLength(MAX);
  expect(questionsRunning()[0]).toEqual(
    expect.arrayContaining(['--disallowedTools=WebFetch', '--model=claude-haiku-4-5', '--permission-mode=default']),
  );
  world.api.release('first');
  expect((await first).data.response).toMatchObject({ result: 'One.' });
  await world.api.reached('second');
  expect(questionsRunning()).toHaveLength(MAX);
  world.api.release('second');
  expect((await second).data.response).toMatchObject({ result: 'Two.' });
  await waitUntil('its CLI is gone', () => questionsRunning().length === 0);
});
