import { afterEach, expect, test } from '@jest/globals';
import type { ClientInput } from '../../protocol/client-frames.js';
import { type Relay, startRelay } from '../support/relay.js';
import { scenario } from '../support/scripted-api.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const relays: Relay[] = [];
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.close();
});

type StreamPlace = NonNullable<ClientInput<'subscribe'>['cursors']>[string];

const LINE = 'A line of which there are many, and one 😀 whose halves belong together.\n';
const LINES = 8_300;
const TEXT = LINE.repeat(LINES);
/** Characters in a delta, and after how many deltas the writer waits. */
const CHUNK = 600;
const HALF = 500;
/** What is written then. */
const SO_FAR = Array.from(TEXT)
  .slice(0, CHUNK * HALF)
  .join('');

interface Writing {
  author: WireClient;
  sessionId: string;
  messageId: string;
  /** Where its events were when it began to write. */
  seq: number;
  epoch: string;
}

/** Claude is in the middle of a block of 600 KB, and waits at the gate. */
async function writing(gate: string): Promise<Writing> {
  const author = await world.connect();
  const answer = { text: LINE, repeat: LINES, chunk: CHUNK, gateAfter: { deltas: HALF, gate } };
  const prompt = scenario(answer);
  const started = await author.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
  await world.api.reached(gate);
  const last = await author.waitFor(({ type, data }) => type === 'streamData' && endOf(data) === SO_FAR.length);
  const head = author.events().at(-1);
  const { messageId } = last.data;
  return { author, sessionId: started.data.sessionId, messageId, seq: head?.seq ?? 0, epoch: head?.epoch ?? '' };
}

const endOf = ({ offset, content }: Frame['data']) => offset + content.text.length;

const piecesOf = ({ frames }: Pick<WireClient, 'frames'>): Frame['data'][] =>
  frames
    .filter(({ type, data }) => type === 'streamData' && data.streamType === 'assistant_message')
    .map(({ data }) => data);

/** Joined as the contract says: only where offset and length meet. Each frame has to. */
function joined(pieces: readonly Frame['data'][], from = 0): string {
  let length = from;
  for (const { offset, content } of pieces) {
    expect(offset).toBe(length);
    expect(content.text).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
    length += content.text.length;
  }
  return pieces.map(({ content }) => content.text).join('');
}

const caughtUp = (client: WireClient): Promise<Frame> => client.waitFor('caughtUp');

async function throughRelay(
  deviceId: string,
  shape: (relay: Relay) => void,
): Promise<{ client: WireClient; relay: Relay }> {
  const relay = await startRelay(world.daemon.url);
  relays.push(relay);
  const client = await connect(relay, { deviceId });
  shape(relay);
  return { client, relay };
}

const subscribe = (client: WireClient, sessionId: string, place?: StreamPlace) =>
  client.request('subscribe', {
    events: ['*'],
    sessionIds: [sessionId],
    ...(place && { cursors: { [sessionId]: place } }),
  });

/** What a device does while Claude writes; gives what has to hold when all is written. */
type Reader = (writing: Writing) => Promise<() => Promise<void>>;

const joinsInTheMiddle: Reader = async ({ sessionId }) => {
  const late = await world.connect();
  await subscribe(late, sessionId);
  await caughtUp(late);
  return async () => {
    const whole = await late.waitFor('assistantMessage');
    expect(joined(piecesOf(late))).toBe(TEXT);
    expect(piecesOf(late).at(-1)).toMatchObject({ isComplete: true });
    expect(whole.data.truncated).toBe(true);
  };
};

const readsSlowly: Reader = async ({ sessionId }) => {
  const { client: slow } = await throughRelay('slow', (relay) => relay.throttle(10_000, 25));
  await subscribe(slow, sessionId);
  return async () => {
    await slow.waitFor('streamComplete');
    expect(joined(piecesOf(slow))).toBe(TEXT);
    expect(slow.events().map(({ seq }) => seq)).toEqual(
      slow.events().map((_, at) => (slow.events()[0]?.seq ?? 0) + at),
    );
  };
};

const isCutOffAgainAndAgain: Reader = async ({ sessionId, messageId, seq, epoch }) => {
  let received: Frame['data'][] = [];
  const place = () => {
    const last = received.at(-1);
    return { epoch, seq, ...(last && { open: { messageId, blockIndex: 0, offset: endOf(last) } }) };
  };
  for (let cut = 0; cut < 3; cut += 1) {
    const { client, relay } = await throughRelay('cut-off', ({ throttle }) => throttle(5_000, 25));
    await subscribe(client, sessionId, place());
    const enough = (received.at(-1) ? endOf(received.at(-1) as Frame['data']) : 0) + 50_000;
    await client.waitFor(({ type, data }) => type === 'streamData' && endOf(data) >= enough);
    relay.cut();
    received = [...received, ...piecesOf(client)];
  }
  const last = await world.connect({ deviceId: 'cut-off' });
  await subscribe(last, sessionId, place());
  return async () => {
    await last.waitFor('streamComplete');
    expect(joined([...received, ...piecesOf(last)])).toBe(TEXT);
  };
};

const comesBack: Reader = async ({ sessionId, messageId, seq, epoch }) => {
  const before = await world.connect({ deviceId: 'back' });
  await subscribe(before, sessionId);
  await caughtUp(before);
  await before.close();
  const back = await world.connect({ deviceId: 'back' });
  const offset = SO_FAR.length - LINE.length;
  await subscribe(back, sessionId, { epoch, seq, open: { messageId, blockIndex: 0, offset } });
  await caughtUp(back);
  expect(piecesOf(back).map((piece) => piece.offset)).toEqual([offset]);
  const silent = await world.connect({ deviceId: 'back' });
  await caughtUp(silent);
  expect(joined(piecesOf(silent))).toBe(SO_FAR);
  return async () => {};
};

const namesNowhere: Reader = async ({ sessionId, messageId, seq, epoch }) => {
  const soFar = SO_FAR.length;
  const nowhere = [
    { messageId: 'another', blockIndex: 0, offset: 10 },
    { messageId, blockIndex: 1, offset: 10 },
    { messageId, blockIndex: 0, offset: soFar + 1 },
    { messageId, blockIndex: 0, offset: Number.MAX_SAFE_INTEGER },
    { messageId, blockIndex: 0, offset: LINE.indexOf('😀') + 1 },
  ];
  for (const open of nowhere) {
    const device = await world.connect();
    await subscribe(device, sessionId, { epoch, seq, open });
    await caughtUp(device);
    expect(joined(piecesOf(device))).toBe(SO_FAR);
    await device.close();
  }
  return async () => {
    const finished = { messageId, blockIndex: 0, offset: soFar };
    const late = await world.connect();
    await subscribe(late, sessionId, { epoch, seq, open: { ...finished, offset: TEXT.length + 1 } });
    await caughtUp(late);
    expect(piecesOf(late)).toEqual([]);
    const device = await world.connect();
    await subscribe(device, sessionId, { epoch, seq, open: finished });
    await caughtUp(device);
    // The event has lost its middle, so the device is told the rest.
    expect(joined(piecesOf(device), soFar)).toBe(TEXT.slice(soFar));
    expect(device.events().find(({ type }) => type === 'assistantMessage')?.data.truncated).toBe(true);
  };
};

const READERS: Record<string, Reader> = {
  'who joins in the middle gets it once, from its start to its end': joinsInTheMiddle,
  'a slow reader of a fast writer gets each character once and reaches the end': readsSlowly,
  'a device that was cut off goes on from the position that it names, however often': isCutOffAgainAndAgain,
  'a device that comes back has the time to name its position before text is sent again': comesBack,
  'a position that lies nowhere counts for nothing, and the text comes from its start': namesNowhere,
};

test(`D4, D5: of a block of 600 KB that is being written: ${Object.keys(READERS).join('; ')}`, async () => {
  const begun = await writing('half');
  const ends: (() => Promise<void>)[] = [];
  for (const read of Object.values(READERS)) ends.push(await read(begun));
  world.api.release('half');
  await begun.author.waitFor('streamComplete');
  for (const end of ends) await end();
});
