/** The CLI that waits for the next chat without a session. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { MAX_PROCESSES: '1' } });
let client: OpenAI;
beforeAll(() => {
  client = new OpenAI({ baseURL: `${world.daemon.url}/v1`, apiKey: TOKEN, maxRetries: 0 });
});

const folder = () => join(world.daemon.home, 'ask');
const running = (): string[] => (existsSync(folder()) ? readdirSync(folder()) : []);

/** The CLI that waits once that of the last chat has ended. */
async function spareAfter(last: string | undefined): Promise<string | undefined> {
  await waitUntil('another one waits', () => running().length === 1 && running()[0] !== last);
  return running()[0];
}

async function chat(prompt: string, system?: string) {
  const messages = [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    { role: 'user' as const, content: prompt },
  ];
  const answer = await client.chat.completions.create({ model: 'default', messages });
  return answer.choices[0]?.message.content;
}

/** Resolves with the folder of the CLI that has answered. */
async function answerer(text: string, system?: string): Promise<string | undefined> {
  const gate = `gate of ${text}`;
  const asked = chat(scenario({ text, gate }), system);
  await world.api.reached(gate);
  const [name, ...others] = running();
  expect(others).toEqual([]);
  world.api.release(gate);
  expect(await asked).toBe(text);
  return name;
}

let last: string | undefined;

test('takes the next chat like the last one, and no other', async () => {
  const spare = await spareAfter(await answerer('First.'));
  expect(await answerer('Second.')).toBe(spare);
  const unused = await spareAfter(spare);
  last = await answerer('Third.', 'Be brief.');
  expect(last).not.toBe(unused);
  const like = await spareAfter(last);
  last = await answerer('Fourth.', 'Be brief.');
  expect(last).toBe(like);
  expect(JSON.stringify(world.api.requests.at(-1)?.system)).toContain('Be brief.');
});

test('gives its slot to a session', async () => {
  await spareAfter(last);
  const device = await world.connect();
  const { data } = await device.request('streamStart', {
    prompt: scenario({ text: 'In a session.' }),
    workingDirectory: world.daemon.project(),
  });
  const end = await device.waitFor('streamComplete');
  expect(end.data).toMatchObject({ promptId: data.promptId, finalResult: 'In a session.' });
  expect(running()).toEqual([]);
});

test('ends with the daemon', async () => {
  await world.daemon.restart('SIGTERM');
  client = new OpenAI({ baseURL: `${world.daemon.url}/v1`, apiKey: TOKEN, maxRetries: 0 });
  const ended = await world.daemon.fetch('/api/sessions');
  expect(ended.status).toBe(200);
  expect(running()).toEqual([]);
});
