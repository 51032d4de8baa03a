import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CLIENT_FRAMES } from '../../protocol/client-frames.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { anyCharacter } from '../support/any-character.js';
import { countOf } from '../support/counts.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const MIB = 1024 * 1024;

const world = useWorld();
let client: WireClient;
/** Notices when a frame of another connection hurts it. */
let bystander: WireClient;

beforeAll(async () => {
  client = await world.connect();
  bystander = await world.connect();
});

/** Sends it, then a `ping`, and returns what came before the answer to that. */
async function answersTo(text: string | Buffer): Promise<Frame[]> {
  const from = client.frames.length;
  client.sendRaw(text);
  const pong = await client.request('ping', {});
  expect(pong.type).toBe('pong');
  return client.frames.slice(from, client.frames.indexOf(pong));
}

const refusal = (field: string, requestId: string | null = null) => ({
  type: 'error',
  requestId,
  data: { code: 'INVALID_REQUEST', details: { field, rule: expect.stringMatching(/./) } },
});

/** As a frame of several fragments. */
function sendInPieces(sender: WireClient, text: string): void {
  const size = Math.ceil(text.length / 7);
  for (let at = 0; at < text.length; at += size) {
    sender.sendRaw(text.slice(at, at + size), { fin: at + size >= text.length });
  }
}

const brackets = (count: number) => '['.repeat(count) + ']'.repeat(count);

describe('a frame that is no request', () => {
  test.each([
    ['nothing at all', ''],
    ['blanks', ' \n\t'],
    ['words', 'hello'],
    ['half of a frame', '{"type":"ping","requestId":"half"'],
    ['two frames', '{"type":"ping"}{"type":"ping"}'],
    ['single quotes', "{'type':'ping'}"],
    ['a number that JSON has not', '{"type":"ping","data":{"x":NaN}}'],
    ['a control character in a text', '{"type":"ping\u0001"}'],
    ['a byte order mark before a frame', '\ufeff{"type":"ping"}'],
    ['a comment', '{"type":"ping"} // please'],
    ['100,000 brackets that open and never close', '['.repeat(100_000)],
  ])('O1: that is not JSON but %s gets one error, and the connection stays', async (_what, text) => {
    expect(await answersTo(text)).toMatchObject([refusal('frame')]);
  });

  test.each([
    ['null', 'null'],
    ['a number', '7'],
    ['a text', '"ping"'],
    ['true', 'true'],
    ['a list', '["ping"]'],
    ['a list of frames', '[{"type":"ping"},{"type":"ping"}]'],
    ['100,000 nested lists', brackets(100_000)],
  ])('O1: that is %s gets one error, and the connection stays', async (_what, text) => {
    expect(await answersTo(text)).toMatchObject([refusal('frame')]);
  });

  test.each([
    ['bytes', Buffer.from([0, 1, 2, 255])],
    ['no bytes', Buffer.alloc(0)],
    ['the bytes of a frame', Buffer.from('{"type":"ping","requestId":"binary"}')],
  ])('O1: that is binary, %s, gets one error that says so, and the connection stays', async (_what, bytes) => {
    const details = { field: 'frame', rule: 'must be a text frame, not a binary one' };
    expect(await answersTo(bytes)).toMatchObject([{ ...refusal('frame'), data: { code: 'INVALID_REQUEST', details } }]);
  });
});

describe('an envelope', () => {
  test.each([
    ['without a type', {}, 'type'],
    ['with a type of null', { type: null }, 'type'],
    ['with a number for its type', { type: 7 }, 'type'],
    ['with a list for its type', { type: ['ping'] }, 'type'],
    ['with an empty type', { type: '' }, 'type'],
    ['with a type of 64 KiB', { type: 'p'.repeat(64 * 1024) }, 'type'],
    ['with an unknown type', { type: 'selfDestruct' }, 'type'],
    ['with the type of an answer', { type: 'pong' }, 'type'],
    ['with the type of an event', { type: 'streamComplete' }, 'type'],
    ['with another letter case', { type: 'Ping' }, 'type'],
    ['with a blank beside its type', { type: 'ping ' }, 'type'],
    ...['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'].map(
      (type) => [`with what every object has for its type, ${type}`, { type }, 'type'] as const,
    ),
    ['with a number for its timestamp', { type: 'ping', timestamp: 1 }, 'timestamp'],
    ['with a long timestamp', { type: 'ping', timestamp: '2'.repeat(65) }, 'timestamp'],
    ['with a text for its data', { type: 'ping', data: 'x' }, 'data'],
  ])('O1: %s is refused by that field, with its request id', async (_what, envelope, field) => {
    const text = JSON.stringify({ requestId: 'envelope', ...envelope });
    expect(await answersTo(text)).toMatchObject([refusal(field, 'envelope')]);
  });

  test.each([
    ['a number', 7],
    ['true', true],
    ['a list', ['x']],
    ['an object', { id: 'x' }],
    ['a text of 129 letters', 'r'.repeat(129)],
    ['a text of a megabyte', 'r'.repeat(MIB)],
  ])('O1: whose request id is %s is refused by that field, without repeating it', async (_what, requestId) => {
    const answers = await answersTo(JSON.stringify({ type: 'ping', requestId }));
    expect(answers).toMatchObject([refusal('requestId')]);
    expect(JSON.stringify(answers).length).toBeLessThan(1024);
  });

  test.each([
    ['128 letters', 'r'.repeat(128)],
    ['one letter', 'r'],
    ['quotes and new lines', '"\n\\'],
    ['what every object has', '__proto__'],
  ])('a request id of %s comes back as it is', async (_what, requestId) => {
    expect(await answersTo(JSON.stringify({ type: 'ping', requestId }))).toMatchObject([{ type: 'pong', requestId }]);
  });

  test.each([
    ['missing', {}],
    ['null', { requestId: null }],
  ])('a request id that is %s is null in the answer', async (_what, envelope) => {
    const answers = await answersTo(JSON.stringify({ type: 'ping', ...envelope }));
    expect(answers).toMatchObject([{ type: 'pong', requestId: null }]);
  });

  test('unknown fields are ignored, around the data and in it', async () => {
    const text = JSON.stringify({
      type: 'setWorkingDirectory',
      requestId: 'more',
      timestamp: 'whenever',
      version: 9,
      seq: 'x',
      data: { workingDirectory: '.', colour: 'blue', nested: { deeply: [1, 2] } },
    });
    client.sendRaw(text);
    const answer = await client.waitFor(({ requestId }) => requestId === 'more');
    expect(answer).toMatchObject({ type: 'workingDirectorySet', data: { workingDirectory: world.daemon.root } });
  });

  test.each([
    ['the prototype of the frame', '{"__proto__":{"type":"ping"},"requestId":"proto"}', 'type'],
    [
      'the prototype of the data',
      '{"type":"ack","requestId":"proto","data":{"__proto__":{"sessionId":"x"}}}',
      'sessionId',
    ],
    [
      'a constructor',
      '{"type":"ack","requestId":"proto","data":{"constructor":{"prototype":{"sessionId":"x"}}}}',
      'sessionId',
    ],
  ])('O1: fields are not taken from %s', async (_what, text, field) => {
    expect(await answersTo(text)).toMatchObject([refusal(field, 'proto')]);
    expect(await answersTo('{"type":"ping","requestId":"after"}')).toMatchObject([{ type: 'pong' }]);
  });

  test('O1: unknown data may be nested 100,000 deep, since it is not read', async () => {
    const text = `{"type":"ping","requestId":"deep","data":{"x":${brackets(100_000)}}}`;
    expect(await answersTo(text)).toMatchObject([{ type: 'pong', requestId: 'deep' }]);
  });
});

describe('a connection', () => {
  test('stays through 200 malformed frames in a row, and each gets one error', async () => {
    const kinds = ['', '{', '7', '[]', '{"type":"nope"}', '{"type":"ack"}', '{"type":"ping","data":1}', '"\\ud800"'];
    const from = client.frames.length;
    for (let at = 0; at < 200; at += 1) client.sendRaw(kinds[at % kinds.length] ?? '');
    const pong = await client.request('ping', {});
    const answers = client.frames.slice(from, client.frames.indexOf(pong));
    expect(answers).toHaveLength(200);
    for (const answer of answers) expect(answer).toMatchObject({ type: 'error', data: { code: 'INVALID_REQUEST' } });
  });

  test('is closed with 1007 by text that is not UTF-8, and no other one is', async () => {
    const sender = await world.connect();
    sender.sendRaw(Buffer.from('{"type":"ping","requestId":"\xff"}', 'latin1'), { binary: false });
    expect(await sender.closed).toBe(1007);
    expect((await bystander.request('ping', {})).type).toBe('pong');
  });

  test.each([
    ['in one piece', (sender: WireClient, text: string) => sender.sendRaw(text)],
    ['in pieces', (sender: WireClient, text: string) => sendInPieces(sender, text)],
  ])('is closed with 1009 by a frame over 12 MiB %s, and no other one is', async (_what, send) => {
    const sender = await world.connect();
    const frame = (size: number) => `{"type":"ping","requestId":"large","data":{"x":"${'x'.repeat(size)}"}}`;
    const around = frame(0).length;
    send(sender, frame(12 * MIB - around));
    expect(await sender.waitFor(({ requestId }) => requestId === 'large')).toMatchObject({ type: 'pong' });
    send(sender, frame(12 * MIB - around + 1));
    expect(await sender.closed).toBe(CLOSE.tooLarge);
    expect((await bystander.request('ping', {})).type).toBe('pong');
  });
});

/** Requests that would start the CLI are for other tests: these are thousands. An `ack` that is right has no answer. */
const LEFT_OUT = new Set(['streamStart', 'claudeCommand', 'ask', 'ack']);
const TYPES = Object.keys(CLIENT_FRAMES).filter((type) => !LEFT_OUT.has(type)) as (keyof typeof CLIENT_FRAMES)[];

const anything = fc.oneof(
  fc.constantFrom('x', '', '*', 'default', 'queue', 'web', 'y', true, false, 0, 1, -1, 2 ** 53, null),
  fc.string({ unit: anyCharacter }),
  fc.jsonValue(),
);

/** Frames near the truth: known types with known fields, that hold what they should or anything else. */
function nearlyRight(sessionId: string): fc.Arbitrary<object> {
  const numbers = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 1000, Number.MAX_SAFE_INTEGER));
  const right: Record<string, fc.Arbitrary<unknown>> = {
    sessionId: fc.constant(sessionId),
    sessionIds: fc.constantFrom([sessionId], [sessionId, sessionId], []),
    cursors: fc.record({ [sessionId]: fc.record({ epoch: fc.string(), seq: numbers }) }),
    events: fc.array(fc.constantFrom('*', 'sessionStatus', 'nothing'), { maxLength: 3 }),
    ...Object.fromEntries(['limit', 'offset', 'before', 'after'].map((name) => [name, numbers])),
  };
  const fieldOf = (name: string) =>
    right[name] ? fc.oneof({ weight: 4, arbitrary: right[name] }, anything) : anything;
  const dataOf = (type: keyof typeof CLIENT_FRAMES) => {
    const names = [...Object.keys(CLIENT_FRAMES[type].shape), 'more'];
    return fc.record(Object.fromEntries(names.map((name) => [name, fieldOf(name)])), { requiredKeys: [] });
  };
  return fc
    .constantFrom(...TYPES)
    .chain((type) => fc.record({ type: fc.constant(type), requestId: fc.string(), data: dataOf(type) }));
}

/** Frames of a session that answer nothing, and have no seq. */
const UNASKED: ReadonlySet<unknown> = new Set(['caughtUp', 'reset', 'tasks']);
const isAnswer = ({ type, seq }: Frame) => seq === undefined && !UNASKED.has(type);

/** A closed session: what is done to it reaches no CLI. */
async function closedSession(): Promise<string> {
  const { data } = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  await client.request('streamClose', { sessionId: data.sessionId, reason: 'for these tests' });
  await world.daemon.until(() => world.daemon.sessionProcesses(data.sessionId).length === 0);
  return data.sessionId;
}

describe('any JSON value', () => {
  test('O1: gets exactly one answer, with its request id, and never closes the connection', async () => {
    const values = fc.oneof(fc.jsonValue(), nearlyRight(await closedSession()));
    const sender = await world.connect();
    let expected = 1;
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        const from = sender.frames.length;
        sender.sendRaw(JSON.stringify(value));
        const answer = await sender.waitFor(isAnswer, from);
        expected += 1;
        const { requestId } = Object(value) as { requestId?: unknown };
        expect(answer.requestId).toBe(typeof requestId === 'string' && requestId.length <= 128 ? requestId : null);
        expect(answer.data.code).not.toBe('INTERNAL_ERROR');
      }),
      { numRuns: countOf({ full: 2000, fast: 200 }) },
    );
    await sender.request('ping', {});
    expect(sender.frames.filter(isAnswer)).toHaveLength(expected + 1);
    expect((await bystander.request('ping', {})).type).toBe('pong');
  });
});
