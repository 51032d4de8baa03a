/** What is open with a key when it is revoked or expires: it ends at once. */
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addedKeySchema } from '../../protocol/keys.js';
import type { ErrorBody } from '../../protocol/rest.js';
import { TOKEN } from '../support/daemon.js';
import { readEvents } from '../support/event-reader.js';
import { askOver } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
let watcher: WireClient;
let sessionId = '';
let count = 0;
let gate = '';

beforeAll(async () => {
  watcher = await world.connect();
  const workingDirectory = world.daemon.project();
  const started = await watcher.request('streamStart', { prompt: scenario({ text: 'Up.' }), workingDirectory });
  sessionId = started.data.sessionId;
  await watcher.waitFor('streamComplete');
});
beforeEach(() => {
  count += 1;
  gate = `ends-${count}`;
});

interface Ending {
  key: string;
  /** Ends the key; it is over when this resolves. */
  end(): Promise<void>;
}

const newKey = async (more: object) => {
  const body = { name: `ends ${count}`, scopes: ['read', 'prompt'], ...more };
  const added = await askOver(world.daemon, 'POST', '/api/keys', { token: TOKEN, body });
  return addedKeySchema.parse(added.body);
};

const WAYS: Record<string, () => Promise<Ending>> = {
  revoked: async () => {
    const { id, key } = await newKey({});
    const end = async () => {
      expect((await world.daemon.fetch(`/api/keys/${id}`, { method: 'DELETE' })).status).toBe(200);
    };
    return { key, end };
  },
  expired: async () => {
    const { key } = await newKey({ expiresAt: new Date(Date.now() + 2500).toISOString() });
    const isOver = async () => (await askOver(world.daemon, 'GET', '/api/info', { token: key })).status === 401;
    return { key, end: () => waitUntil('it has expired', isOver) };
  },
};

const post = (path: string, key: string, body: object) =>
  fetch(`${world.daemon.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const ended = (promptId: string) =>
  watcher.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

describe.each(Object.keys(WAYS))('S1: with a key that is %s', (way) => {
  const makeKey = WAYS[way] as () => Promise<Ending>;

  test('event streams end, and say why', async () => {
    const { key, end } = await makeKey();
    const headers = { authorization: `Bearer ${key}` };
    const paths = ['/api/stream', `/api/sessions/${sessionId}/stream`];
    const readers = paths.map((path) => readEvents(`${world.daemon.url}${path}`, { headers }));
    await Promise.all(readers.map((reader) => reader.waitFor('connected')));
    await end();
    for (const reader of readers) {
      expect((await reader.waitFor('error')).data).toMatchObject({ code: 'UNAUTHORIZED' });
      await reader.closed();
      expect(reader.statuses).toEqual([200, 401]);
    }
  });

  test('who waits for a prompt is told, and the prompt goes on', async () => {
    const { key, end } = await makeKey();
    const prompt = scenario({ text: 'Goes on.', gate });
    const answer = post(`/api/sessions/${sessionId}/prompts?wait=true`, key, { prompt });
    await world.api.reached(gate);
    await end();
    const response = await answer;
    expect(response.status).toBe(401);
    expect(((await response.json()) as ErrorBody).error).toMatchObject({ code: 'UNAUTHORIZED' });
    const { prompts } = (await (await world.daemon.fetch(`/api/sessions/${sessionId}/prompts?limit=1`)).json()) as {
      prompts: { id: string; status: string }[];
    };
    expect(prompts[0]?.status).toBe('processing');
    world.api.release(gate);
    expect((await ended(prompts[0]?.id ?? '')).data).toMatchObject({ finalResult: 'Goes on.' });
  });

  test.each([true, false])('a chat ends with its turn (streamed: %s)', async (stream) => {
    const before = Number(watcher.frames.findLast(({ seq }) => seq !== undefined)?.seq);
    const { key, end } = await makeKey();
    const prompt = scenario({ text: 'Begun, and cut.', chunk: 4, gateAfter: { deltas: 2, gate } });
    const messages = [{ role: 'user', content: prompt }];
    const answer = post('/v1/chat/completions', key, { model: 'default', messages, stream, session_id: sessionId });
    const read = answer.then((response) => response.text());
    const cut = expect(read).rejects.toThrow();
    await world.api.reached(gate);
    await end();
    await cut;
    const over = await watcher.waitFor(({ type, seq }) => type === 'streamComplete' && Number(seq) > before);
    expect(over.data).toMatchObject({ sessionId, subtype: 'interrupted' });
    world.api.release(gate);
  });
});
