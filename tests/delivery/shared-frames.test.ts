/** What is done once for all connections, and how text is joined for one that lags; the socket is a stand-in. */
import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { Frame, FrameSink } from '../../services/delivery/frames.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';
import { owner, sessionId, useDeliveryStage } from './delivery-stage.js';

let others: SessionId[] = [];
let snapshotText = '';
let encodings = 0;
beforeEach(() => {
  others = [];
  snapshotText = '';
});

const stage = useDeliveryStage({
  head: () => stage.head,
  owned: () => [sessionId, ...others],
  snapshot: async () => {
    const message = { id: 'm', type: 'assistant' as const, content: [{ type: 'text', text: snapshotText }] };
    return { status: {} as never, messages: [message], permissions: [] };
  },
});

function encodeCounted(text: string): Uint8Array {
  encodings += 1;
  return Buffer.from(text);
}

class Sink implements FrameSink {
  readonly texts: string[] = [];
  unsent = 0;
  lagging = false;
  drained = () => {};

  send(frame: Frame): void {
    this.texts.push(Buffer.from(frame.encoded(encodeCounted)).toString());
  }

  confirm(_id?: number): void {}
}

async function connect(deviceId: string): Promise<Sink> {
  const sink = new Sink();
  const device = { userId: owner, deviceId: deviceId as DeviceId };
  const ignore = { onReplaced: () => {}, onError: () => {} };
  const connection = stage.delivery.connect({ device, sink, owner: ignore });
  const { begin } = connection.subscribe({
    events: ['*'],
    cursors: { session: { epoch: stage.journal.epoch, seq: 0 } },
  });
  sink.drained = () => connection.drained();
  begin();
  await waitUntil('it is live', () => sink.texts.some((text) => text.includes('"caughtUp"')));
  return sink;
}

const publish = (count: number): Promise<void> =>
  stage.commit(...Array.from({ length: count }, () => ({ type: 'sessionStatus' as const, at: 0, data: '{}' })));

const text = (offset: number, said: string, isComplete = false) => ({
  kind: 'frame' as const,
  frame: {
    type: 'streamData' as const,
    data: {
      sessionId,
      streamType: 'assistant_message' as const,
      content: { type: 'text' as const, text: said },
      messageId: 'm',
      blockIndex: 0,
      offset,
      isComplete,
    },
  },
});

const pieces = ({ texts }: Sink) =>
  texts
    .map((one) => JSON.parse(one) as { type: string; data: ReturnType<typeof text>['frame']['data'] })
    .filter(({ type }) => type === 'streamData')
    .map(({ data: { offset, content, isComplete } }) => [offset, content.text, isComplete]);

describe('D5: frames', () => {
  test('an event is written once, however many see it live and however many missed it', async () => {
    const sinks = [await connect('one'), await connect('two'), await connect('three')];
    encodings = 0;
    await publish(10);
    expect(encodings).toBe(10);
    for (const { texts } of sinks) expect(texts.filter((one) => one.includes('"seq":'))).toHaveLength(11);
    encodings = 0;
    const late = [await connect('four'), await connect('five')];
    const ownFrames = late.length;
    expect(encodings).toBe(10 + ownFrames);
  });

  test('D4: text goes out at once, and in joined pieces every 20 ms to a reader that lags; nothing overtakes it', async () => {
    const [prompt, lagging] = [await connect('prompt'), await connect('lagging')];
    stage.say(text(0, 'a'));
    lagging.lagging = true;
    stage.say(text(1, 'b'));
    stage.say(text(2, 'c'));
    stage.say(text(3, 'd'));
    expect(pieces(prompt)).toEqual([
      [0, 'a', false],
      [1, 'b', false],
      [2, 'c', false],
      [3, 'd', false],
    ]);
    expect(pieces(lagging)).toEqual([[0, 'a', false]]);
    await waitUntil('the window is over', () => pieces(lagging).length > 1);
    expect(pieces(lagging).slice(1)).toEqual([[1, 'bcd', false]]);
    stage.say(text(4, 'e'));
    stage.say(text(5, 'f', true));
    await publish(1);
    expect(pieces(lagging).slice(2)).toEqual([[4, 'ef', true]]);
    expect(lagging.texts.at(-1)).toContain(`"seq":${stage.head}`);
  });

  test('D5: with 256 KiB unsent neither text nor events come, and all events when they are gone', async () => {
    const sink = await connect('slow');
    sink.unsent = 256 * 1024 + 1;
    stage.say(text(0, 'lost on this reader'));
    await publish(5);
    expect(sink.texts.filter((one) => one.includes('"sessionStatus"'))).toEqual([]);
    expect(pieces(sink)).toEqual([]);
    sink.unsent = 0;
    sink.drained();
    await waitUntil('they have come', () => sink.texts.at(-1)?.includes(`"seq":${stage.head}`) ?? false);
    expect(sink.texts.filter((one) => one.includes('"sessionStatus"'))).toHaveLength(5);
  });
});

describe('D3: a reset', () => {
  const reset = ({ texts }: Sink) => texts.filter((one) => one.includes('"type":"reset"')).length;

  async function connectWithOldCursors(sink: Sink) {
    const device = { userId: owner, deviceId: 'many' as DeviceId };
    const connection = stage.delivery.connect({ device, sink, owner: { onReplaced: () => {}, onError: () => {} } });
    const cursors = Object.fromEntries([sessionId, ...others].map((id) => [id, { epoch: 'another', seq: 1 }]));
    const { begin } = connection.subscribe({ events: ['*'], cursors });
    begin();
    return connection;
  }

  test('D5: of many sessions waits for those before it to leave, and no connection is closed for their total size', async () => {
    others = Array.from({ length: 11 }, (_, index) => `other-${index}` as SessionId);
    for (const id of others) {
      stage.journal.commit({ record: sessionRecord(id), events: [], prompts: [], permissions: [] });
    }
    snapshotText = 'x'.repeat(200_000);
    const sink = new Sink();
    sink.send = (frame) => {
      Sink.prototype.send.call(sink, frame);
      sink.unsent += sink.texts.at(-1)?.length ?? 0;
    };
    const connection = await connectWithOldCursors(sink);
    await waitUntil('two are on their way', () => reset(sink) === 2);
    for (let sent = 2; sent < 12; sent += 2) {
      await settle();
      expect(sink.unsent).toBeLessThanOrEqual(512 * 1024);
      sink.unsent = 0;
      connection.drained();
      await waitUntil('more are on their way', () => reset(sink) > sent);
    }
    sink.unsent = 0;
    connection.drained();
    await waitUntil('all have come', () => reset(sink) === 12);
  });

  test('D3: an ack from before it moves nothing, until the reset is known to have arrived', async () => {
    await publish(9);
    let asked = 0;
    const sink = new Sink();
    sink.confirm = (id = 0) => {
      asked = id;
    };
    const connection = await connectWithOldCursors(sink);
    connection.ack(sessionId, 5);
    await waitUntil('the reset has gone out', () => reset(sink) === 1 && asked > 0);
    connection.ack(sessionId, 6);
    const depth = async () => stage.delivery.queueOf(connection.device)?.[0];
    await settle();
    expect(await depth()).toMatchObject({ from: 9 });
    for (const unsolicited of [Number.NaN, 1e15, asked + 1, -1]) connection.received(unsolicited);
    await publish(3);
    connection.received(asked);
    connection.ack(sessionId, 10);
    await settle();
    expect(await depth()).toMatchObject({ from: 10, depth: 2 });
  });
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
}
