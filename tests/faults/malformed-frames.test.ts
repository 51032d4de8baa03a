/** Frames that no client should send, by the hundred thousand, at a daemon that somebody else is using. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { countOf } from '../support/counts.js';
import { TOKEN } from '../support/daemon.js';
import { useWorld } from '../support/world.js';
import { type Answered, createCannon } from './support/cannon.js';
import { malformedFrame, type SentFrame } from './support/malformed-frames.js';
import { growthOf, residentOf } from './support/memory.js';
import { createRandom } from './support/random.js';
import { createWitness } from './support/witness.js';

const FRAMES = countOf({ full: 700_000, fast: 12_000 });
const BATCH = 500;
const CUT_CONNECTIONS = countOf({ full: 2000, fast: 50 });
const MIB = 1024 * 1024;
const ALLOWED_GROWTH = 48 * MIB;
const MINUTES = 60_000;

const world = useWorld();

/** How often each request id has to be answered. */
function owed(frames: readonly SentFrame[]): Answered {
  const counts: Answered = new Map();
  for (const { requestId } of frames) counts.set(requestId, (counts.get(requestId) ?? 0) + 1);
  return counts;
}

describe('malformed frames', () => {
  test(
    'O1: each is answered once under its own request id; the daemon lives, its memory stays bounded, and others notice nothing',
    async () => {
      const { pid } = world.daemon;
      const random = createRandom(20_261_120);
      const witness = await createWitness(world);
      const cannon = await createCannon(world.daemon.url, 'cannon');
      const samples: number[] = [];
      for (let sent = 0; sent < FRAMES; sent += BATCH) {
        const frames = Array.from({ length: BATCH }, (_, index) => malformedFrame(`r-${sent + index}`, random));
        const [answered] = await Promise.all([cannon.fire(frames), (sent / BATCH) % 20 === 0 && witness.live()]);
        expect(answered).toEqual(owed(frames));
        samples.push(residentOf(pid));
      }
      await witness.live();
      witness.check();
      expect(world.daemon.pid).toBe(pid);
      expect(growthOf(samples)).toBeLessThan(ALLOWED_GROWTH);
      await cannon.close();
    },
    10 * MINUTES,
  );

  test(
    'O1: a frame that would take seconds to parse is refused unparsed, by rule and request id',
    async () => {
      const client = await world.connect();
      const costly = [
        `{"type":"ping","requestId":"deep","data":${'['.repeat(10 * MIB)}`,
        `{"type":"ping","requestId":"wide","data":{"x":[${'1,'.repeat(5 * MIB)}1]}}`,
        `{"type":"ping","requestId":"texts","data":{"x":[${'"",'.repeat(3 * MIB)}1]}}`,
      ];
      for (const text of costly) client.sendRaw(text);
      for (const id of ['deep', 'wide', 'texts']) {
        const answer = await client.waitFor(({ requestId }) => requestId === id);
        const rule = 'must have at most 262144 characters outside of strings';
        expect(answer.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'frame', rule } });
      }
    },
    MINUTES,
  );

  test('O1: so is a body of REST', async () => {
    const response = await world.daemon.fetch('/api/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '['.repeat(MIB - 1),
    });
    expect(response.status).toBe(400);
    const rule = 'must be nested at most 500 deep';
    expect(await response.json()).toMatchObject({
      error: { code: 'INVALID_REQUEST', details: { field: 'body', rule } },
    });
  });

  test(
    'a connection that breaks off in a frame, or breaks the WebSocket protocol, ends alone',
    async () => {
      const { pid } = world.daemon;
      const witness = await createWitness(world);
      const random = createRandom(7);
      const codes = new Map<number, number>();
      for (let made = 0; made < CUT_CONNECTIONS; made += 1) {
        const code = await random.pick([wrongText, unfinished, brokenProtocol])();
        codes.set(code, (codes.get(code) ?? 0) + 1);
        if (made % 50 === 0) await witness.live();
      }
      await witness.live();
      witness.check();
      expect(new Set(codes.keys())).toEqual(new Set([1002, 1006, 1007]));
      expect(world.daemon.pid).toBe(pid);
    },
    10 * MINUTES,
  );
});

/** `onStream` gets the stream below the WebSocket. */
const open = async (onStream = (_stream: Socket) => {}): Promise<WebSocket> => {
  const socket = new WebSocket(`${world.daemon.url.replace('http', 'ws')}/ws`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  socket.on('error', () => {});
  socket.once('upgrade', (response) => onStream(response.socket));
  await once(socket, 'open');
  return socket;
};

const closeCode = async (socket: WebSocket): Promise<number> => {
  const [code] = (await once(socket, 'close')) as [number];
  return code;
};

/** Text that is no UTF-8. */
async function wrongText(): Promise<number> {
  const socket = await open();
  socket.send(Buffer.from('{"type":"ping","requestId":"\xff\xc3"}', 'latin1'), { binary: false });
  return closeCode(socket);
}

/** Gone before the end of its frame. */
async function unfinished(): Promise<number> {
  const socket = await open();
  socket.send('{"type":"ping","requ', { fin: false });
  socket.terminate();
  return closeCode(socket);
}

/** A frame without the mask that clients must use, below the library that would mask it. */
async function brokenProtocol(): Promise<number> {
  let stream: Socket | undefined;
  const socket = await open((below) => {
    stream = below;
  });
  stream?.write(Buffer.from([0x81, 0x02, 0x7b, 0x7d]));
  return closeCode(socket);
}
