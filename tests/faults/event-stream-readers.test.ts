/** Readers of event streams that are slow, stall, are too many or lose their credential. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { TOKEN } from '../support/daemon.js';
import { hurryServers } from '../support/hurry.js';
import { askOver, pairDevice } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type Frame } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');

/** A reader that can stop reading. */
interface RawReader {
  status: number;
  text(): string;
  seqs(): number[];
  isOver(): boolean;
  response: IncomingMessage;
}

const opened: IncomingMessage[] = [];
afterEach(() => {
  for (const response of opened.splice(0)) response.destroy();
});

async function open({ daemon }: World, path: string, token = TOKEN): Promise<RawReader> {
  const asked = request(`${daemon.url}${path}`, { agent: false, headers: { authorization: `Bearer ${token}` } });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  opened.push(response);
  let text = '';
  let isOver = false;
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  response.once('close', () => {
    isOver = true;
  });
  response.on('error', () => {});
  return {
    status: response.statusCode ?? 0,
    text: () => text,
    seqs: () => [...text.matchAll(/^id: [\w-]+:(\d+)\nevent: (?!connected)/gm)].map(([, seq]) => Number(seq)),
    isOver: () => isOver,
    response,
  };
}

const unsentBytes = async ({ daemon }: World): Promise<number> => {
  const text = await (await daemon.fetch('/metrics')).text();
  return Number(/^companion_unsent_bytes (\d+)$/m.exec(text)?.[1]);
};

const isIdle = ({ type, data }: Frame) => type === 'sessionStatus' && data.status === 'idle';

/** A session with as many large tool results as are wanted. */
async function talk(world: World, { events, bytes }: { events: number; bytes: number }) {
  const author = await world.connect();
  const workingDirectory = world.daemon.project();
  const { sessionId } = (await author.request('streamStart', { prompt: '', workingDirectory })).data;
  await author.waitFor(isIdle);
  const acts = [...Array.from({ length: events }, () => ({ bigResult: bytes })), { result: 'done' }];
  const say = () => author.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
  return { author, sessionId, say };
}

describe('a slow reader', () => {
  const READERS = 10;
  /** More than the system keeps for a connection that is not read. */
  const EVENTS = 40;
  const EVENT_BYTES = 200_000;
  const MOST_BYTES = 1.25 * 1024 * 1024;
  const world = useWorld({ environment: { CLAUDE_PATH } });

  test('D5: costs a bounded amount, delays no other, and has lost nothing when it reads again', async () => {
    const { sessionId, say, author } = await talk(world, { events: EVENTS, bytes: EVENT_BYTES });
    const path = `/api/sessions/${sessionId}/stream`;
    const stalled = await Promise.all(Array.from({ length: READERS }, () => open(world, path)));
    const healthy = await open(world, path);
    for (const { response } of stalled) response.pause();
    const promptId = (await say()).data.promptId;
    await author.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    await waitUntil('the others have it all', () => healthy.text().includes('event: complete'));
    const unsent = await unsentBytes(world);
    expect(unsent).toBeGreaterThan(READERS * EVENT_BYTES);
    expect(unsent).toBeLessThanOrEqual(READERS * MOST_BYTES);
    for (const { response } of stalled) response.resume();
    await waitUntil('all have it all', () => stalled.every(({ text }) => text().includes('event: complete')));
    const upToEnd = (seqs: number[]) => seqs.slice(0, EVENTS);
    for (const { seqs } of stalled) expect(upToEnd(seqs())).toEqual(upToEnd(healthy.seqs()));
    expect(healthy.seqs().length).toBeGreaterThanOrEqual(EVENTS);
    await waitUntil('nothing waits', async () => (await unsentBytes(world)) === 0);
  });
});

describe('in a hurry', () => {
  const FASTER = 10;
  const MOST = 3;
  const world = useWorld({ environment: { CLAUDE_PATH, LIMIT_CONNECTIONS: String(MOST), ...hurryServers(FASTER) } });

  test('a comment comes every 15 s', async () => {
    const reader = await open(world, '/api/stream');
    const comments = () => reader.text().match(/^: .*\n\n/gm) ?? [];
    const begun = performance.now();
    await waitUntil('three comments have come', () => comments().length === 3);
    const seconds = ((performance.now() - begun) * FASTER) / 1000;
    expect(seconds).toBeGreaterThan(40);
    expect(seconds).toBeLessThan(60);
    expect(reader.isOver()).toBe(false);
  });

  test('D5: one that takes nothing for 30 s is cut off', async () => {
    const { sessionId, say } = await talk(world, { events: 60, bytes: 200_000 });
    const stalled = await open(world, `/api/sessions/${sessionId}/stream`);
    stalled.response.pause();
    await say();
    await waitUntil('much waits', async () => (await unsentBytes(world)) > 0);
    await waitUntil('nothing waits', async () => (await unsentBytes(world)) === 0);
    stalled.response.resume();
    await waitUntil('it is cut off', () => stalled.isOver());
    expect(stalled.response.complete).toBe(false);
    world.disconnect();
  });

  test('a stream counts as a connection, and a connection as a stream', async () => {
    world.disconnect();
    await waitUntil('the others are gone', async () => (await fetchStatus('/api/stream')) === 200);
    const streams = await Promise.all([open(world, '/api/stream'), open(world, '/api/stream')]);
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    await world.connect({ deviceId: 'one' });
    const refused = await open(world, '/api/stream');
    expect(refused.status).toBe(429);
    expect(refused.response.headers['retry-after']).toBeDefined();
    await expect(connect(world.daemon, { deviceId: 'two' })).rejects.toThrow('429');
    streams[0]?.response.destroy();
    await waitUntil('there is room', async () => (await fetchStatus('/api/stream')) === 200);
  });

  const fetchStatus = async (path: string): Promise<number> => {
    const reader = await open(world, path);
    reader.response.destroy();
    return reader.status;
  };
});

describe('a credential', () => {
  const world = useWorld({ environment: { CLAUDE_PATH } });

  test('S1: that is revoked ends its streams within a second, and no others', async () => {
    const { deviceId, accessToken } = await pairDevice(world.daemon);
    const own = await open(world, '/api/stream', accessToken);
    const other = await open(world, '/api/stream');
    await askOver(world.daemon, 'DELETE', `/api/devices/${deviceId}`, { token: TOKEN });
    const revokedAt = performance.now();
    await waitUntil('it has ended', () => own.isOver());
    expect(performance.now() - revokedAt).toBeLessThan(1000);
    expect(own.text()).toMatch(/event: error\ndata: .*"code":"UNAUTHORIZED"/);
    expect((await open(world, '/api/stream', accessToken)).status).toBe(401);
    expect(other.isOver()).toBe(false);
  });

  test('S1: a session that is purged ends its stream', async () => {
    const { sessionId } = await talk(world, { events: 0, bytes: 0 });
    const reader = await open(world, `/api/sessions/${sessionId}/stream`);
    await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
    await waitUntil('it has ended', () => reader.isOver());
    expect(reader.text()).toMatch(/event: error\ndata: .*"code":"SESSION_NOT_FOUND"/);
  });
});
