/** One long turn, told by many daemons: each is killed, the child never notices, and no word is lost. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import { MortalDaemon } from './mortal-daemon.js';
import { isEndOf } from './prompt-steps.js';
import { chooseSeed, createRandom } from './random.js';

const KILLS = countOf({ full: 100, fast: 8 });
/** While one daemon lives. */
const DELTAS_OF_A_LIFE = 60;
const CHUNK = 4;
const DEVICE = { deviceId: 'phone' };

const seed = chooseSeed();
const random = createRandom(seed);
let api: ScriptedApi;
let daemon: MortalDaemon;

beforeAll(async () => {
  api = await startScriptedApi();
  daemon = new MortalDaemon(api.url);
});

afterAll(async () => {
  await daemon.destroy();
  await api.close();
});

async function connectToNext(): Promise<WireClient> {
  daemon.begin();
  expect(await daemon.serves()).toBe(true);
  return connect({ url: String(daemon.url) }, DEVICE);
}

/** The text of the message that streams, as a client joins it over all its connections. */
class Reader {
  text = '';

  take({ type, data }: Frame): void {
    if (type !== 'streamData' || data.streamType !== 'assistant_message') return;
    if (data.offset === 0) this.text = data.content.text;
    else if (data.offset === this.text.length) this.text += data.content.text;
  }
}

test(
  `H2, D3, D4, I1: ${KILLS} daemons are killed across one turn: the last one ends it with the whole text`,
  async () => {
    const words = Array.from({ length: (KILLS * DELTAS_OF_A_LIFE * CHUNK) / 12 }, (_, at) => `word ${at}, `);
    const text = words.join('');
    const deltas = Math.ceil(text.length / CHUNK);
    const prompt = scenario({ text, chunk: CHUNK, delayMs: 8, gateAfter: { deltas: deltas - 5, gate: 'last' } });
    let client = await connectToNext();
    const { data } = await client.request('streamStart', { prompt, workingDirectory: daemon.project() });
    const { sessionId, promptId } = data;
    await client.waitFor('streamData');
    const children = daemon.children();
    expect(children).toHaveLength(1);
    const events = new Map<number, string>();
    const reader = new Reader();
    const note = () => {
      for (const frame of client.frames) reader.take(frame);
      for (const { seq = 0, type, data: told } of client.events(sessionId)) {
        const event = JSON.stringify([type, told]);
        expect({ seed, event: events.get(seq) ?? event }).toEqual({ seed, event });
        events.set(seq, event);
      }
    };
    for (let kill = 0; kill < KILLS; kill += 1) {
      // Some before anything of the text has come, some in the middle of it.
      if (random.chance(0.8)) await client.waitFor('streamData');
      await delay(random.integer(60));
      await daemon.kill();
      note();
      expect(daemon.children()).toEqual(children);
      client = await connectToNext();
    }
    api.release('last');
    const end = await client.waitFor(isEndOf(promptId));
    await client.waitFor(({ type, data: { status } }) => type === 'sessionStatus' && status === 'idle');
    note();
    expect({ seed, ...end.data }).toMatchObject({ seed, subtype: 'success', promptId });
    expect(text.endsWith(end.data.finalResult as string)).toBe(true);
    expect(reader.text).toBe(text);
    expect([...events.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: events.size }, (_, at) => at + 1));
    const said = [...events.values()].map((event) => JSON.parse(event) as [string, { content: unknown }]);
    expect(said.filter(([type]) => type === 'streamComplete')).toHaveLength(1);
    const messages = said.filter(([type]) => type === 'assistantMessage');
    expect(messages.map(([, { content }]) => content)).toEqual([[{ type: 'text', text }]]);
    expect(api.runs(prompt)).toBe(1);
    expect(daemon.children()).toEqual(children);
    client.terminate();
  },
  30_000 + KILLS * 3000,
);
