/** What a phone pays for: compressed connections, and text that comes in fewer frames. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

interface Counted {
  /** Text of each frame. */
  frames: string[];
  isCompressed: boolean;
  /** Bytes of the socket. */
  bytes: () => number;
  socket: WebSocket;
}

/** A device of all sessions of its person; `isPlain` offers no compression. */
async function follow({ daemon }: World, deviceId: string, { isPlain = false } = {}): Promise<Counted> {
  const socket = new WebSocket(`${daemon.url.replace('http', 'ws')}/ws?deviceId=${deviceId}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
    perMessageDeflate: !isPlain,
  });
  let stream: Socket | undefined;
  socket.once('upgrade', (response) => {
    stream = response.socket;
  });
  const frames: string[] = [];
  socket.on('message', (bytes: Buffer) => frames.push(bytes.toString()));
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'subscribe', requestId: 'all', data: { events: ['*'] } }));
  await waitUntil('it is subscribed', () => frames.some((text) => text.includes('"subscribed"')));
  return { frames, isCompressed: socket.extensions !== '', bytes: () => stream?.bytesRead ?? 0, socket };
}

/** Events as they came, and the text that came while it was written; one that lags gets it in fewer pieces. */
function streamed({ frames }: Counted) {
  const events = frames.filter((text) => /"seq":\d+,"epoch":/.test(text) && !text.includes('"_queued"'));
  const written = frames
    .map((text) => JSON.parse(text) as Pick<Frame, 'type' | 'data'>)
    .flatMap(({ type, data }) => (type === 'streamData' ? [data.content.text] : []));
  return { events, text: written.join('') };
}

const isIdleAfter = (promptId: unknown, { frames }: Counted) =>
  frames.slice(frames.findIndex(hasEnded(promptId))).some((text) => text.includes('"status":"idle"'));

const hasEnded = (promptId: unknown) => (text: string) =>
  text.startsWith('{"type":"streamComplete"') && text.includes(String(promptId));

async function run(client: WireClient, workingDirectory: string, prompt: string): Promise<unknown> {
  const { data } = await client.request('streamStart', { prompt, workingDirectory });
  await client.waitFor(({ type, data: end }: Frame) => type === 'streamComplete' && end.promptId === data.promptId);
  return data.promptId;
}

const WORDS = 'the quick brown fox jumps over 13 lazy dogs, and (again) goes home; ';

const world = useWorld();
const sharedDirectory = useSharedDirectory(world);

describe('a client that offers compression', () => {
  test('D4: gets every frame as another does, in less than a third of the bytes', async () => {
    const [plain, small] = [await follow(world, 'plain', { isPlain: true }), await follow(world, 'small')];
    expect([plain.isCompressed, small.isCompressed]).toEqual([false, true]);
    const client = await world.connect();
    const before = { plain: plain.bytes(), small: small.bytes() };
    const promptId = await run(client, await sharedDirectory(), scenario({ text: WORDS.repeat(200), chunk: 20 }));
    await waitUntil('both have all', () =>
      [plain, small].every((one) => one.frames.some(hasEnded(promptId)) && isIdleAfter(promptId, one)),
    );
    expect(streamed(small)).toEqual(streamed(plain));
    expect(streamed(small).text).toBe(WORDS.repeat(200));
    expect(small.bytes() - before.small).toBeLessThan((plain.bytes() - before.plain) / 3);
  });

  test('D5: and reads slowly gets everything in its order, and memory is bounded', async () => {
    const slow = await follow(world, 'slow');
    slow.socket.pause();
    const client = await world.connect();
    // Nothing of it can be compressed away.
    const noise = Array.from({ length: 60_000 }, () => Math.random().toString(36).slice(2)).join('');
    const directories = [await sharedDirectory(), world.daemon.project()];
    const prompts = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((index) => {
        const text = noise.slice(index * 100_000, (index + 1) * 100_000);
        return run(client, directories[index % 2] ?? '', scenario({ text, chunk: 5000 }));
      }),
    );
    slow.socket.resume();
    await waitUntil('all has come', () => prompts.every((promptId) => slow.frames.some(hasEnded(promptId))));
    const seqs = new Map<string, number[]>();
    for (const text of slow.frames) {
      const { sessionId = '', seq } = JSON.parse(text) as { sessionId?: string; seq?: number };
      if (seq !== undefined) seqs.set(sessionId, [...(seqs.get(sessionId) ?? []), seq]);
    }
    for (const all of seqs.values()) expect(all).toEqual(all.map((_, index) => (all[0] ?? 0) + index));
    slow.socket.terminate();
  }, 60_000);
});

describe('a daemon with room for one compressed connection', () => {
  const world = useWorld({ environment: { WS_COMPRESSION_CONNECTIONS: '1' } });

  test('takes the next one without, until there is room again', async () => {
    const first = await follow(world, 'first');
    expect(first.isCompressed).toBe(true);
    expect((await follow(world, 'second')).isCompressed).toBe(false);
    first.socket.close();
    await once(first.socket, 'close');
    await waitUntil('there is room', async () => (await follow(world, 'third')).isCompressed);
  });
});

describe('a daemon with WS_COMPRESSION=off', () => {
  const world = useWorld({ environment: { WS_COMPRESSION: 'off' } });

  test('compresses no connection', async () => {
    expect((await follow(world, 'any')).isCompressed).toBe(false);
  });
});

describe('deltaIntervalMs', () => {
  const deltas = ({ frames }: WireClient) => frames.filter(({ type }) => type === 'streamData');

  test('D4: joins text that comes sooner, loses nothing, and holds no event back', async () => {
    const [often, seldom] = [await world.connect(), await world.connect()];
    await often.request('subscribe', { events: ['*'] });
    await seldom.request('subscribe', { events: ['*'], deltaIntervalMs: 5000 });
    const written = ({ frames }: WireClient) =>
      deltas({ frames } as WireClient)
        .map(({ data }) => data.content.text)
        .join('');
    const [pieces, chunk] = [30, 9];
    const text = Array.from({ length: pieces }, (_, index) => `piece ${10 + index} `).join('');
    const turn = run(
      often,
      await sharedDirectory(),
      scenario({ text, chunk, gateAfter: { deltas: 'each', gate: 'D4' } }),
    );
    for (let come = 1; come <= pieces; come += 1) {
      await waitUntil(`piece ${come} has come`, () => written(often).length >= come * chunk);
      world.api.release(`D4 ${come}`);
    }
    const promptId = await turn;
    await seldom.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    for (const client of [often, seldom]) expect(written(client)).toBe(text);
    expect(deltas(often).length).toBeGreaterThanOrEqual(pieces);
    // The first at once, what was joined before its event, and the mark of its end.
    expect(deltas(seldom).length).toBeLessThan(pieces / 3);
  });

  test.each([[-1], [5001], [1.5], ['50'], [null]])(
    'O1: of %j is refused by its field, and changes nothing',
    async (value) => {
      const client = await world.connect();
      const refused = await client.request('subscribe', { events: ['*'], deltaIntervalMs: value as number });
      expect(refused).toMatchObject({
        type: 'error',
        data: { code: 'INVALID_REQUEST', details: { field: 'deltaIntervalMs' } },
      });
    },
  );
});
