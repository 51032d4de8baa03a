/** A connection that has nothing to do with what goes wrong elsewhere: its own session, turns and pings. */
import { expect } from '@jest/globals';
import { scenario } from '../../support/scripted-api.js';
import type { WireClient } from '../../support/wire-client.js';
import type { World } from '../../support/world.js';

export interface Witness {
  /** One turn and some pings. Resolves when all of it was answered. */
  live(): Promise<void>;
  /** Everything that it was ever owed came: once, in order, with the right text. */
  check(): void;
}

export interface WitnessOptions {
  /** The prompt whose answer is this text, for the CLI that the world runs. */
  promptFor?: (text: string) => string;
}

const PINGS = 10;

export async function createWitness(
  world: World,
  { promptFor = (text) => scenario({ text, chunk: 8 }) }: WitnessOptions = {},
): Promise<Witness> {
  const client = await world.connect();
  const opened = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  const { sessionId } = opened.data;
  const expected: string[] = [];
  return {
    live: async () => {
      const text = `What was said in turn ${expected.length} of the witness.`;
      expected.push(text);
      const accepted = await client.request('streamSend', { sessionId, prompt: promptFor(text) });
      await pingInOrder(client);
      await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === accepted.data.promptId);
    },
    check: () => {
      const events = client.events(sessionId);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      const said = events.flatMap(({ type, data }) => (type === 'assistantMessage' ? [data.content[0]?.text] : []));
      expect(said).toEqual(expected);
      const ends = events.filter(({ type }) => type === 'streamComplete');
      expect(ends.map(({ data }) => data.subtype)).toEqual(expected.map(() => 'success'));
    },
  };
}

async function pingInOrder(client: WireClient): Promise<void> {
  const from = client.frames.length;
  const ids = Array.from({ length: PINGS }, () => client.send('ping', {}));
  await client.waitFor(({ requestId }) => requestId === ids.at(-1), from);
  const pongs = client.frames.slice(from).filter(({ type }) => type === 'pong');
  expect(pongs.map(({ requestId }) => requestId)).toEqual(ids);
}
