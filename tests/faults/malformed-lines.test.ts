/** Output that no CLI should write, by the hundred thousand lines, through a child and its file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { type Daemon, startDaemon } from '../support/daemon.js';
import { scenario, startScriptedApi } from '../support/scripted-api.js';
import { connect, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { malformedLine } from './support/malformed-lines.js';
import { growthOf, residentOf } from './support/memory.js';
import { createRandom, type Random } from './support/random.js';
import { createWitness } from './support/witness.js';

const LINES = countOf({ full: 300_000, fast: 6000 });
const BATCH = countOf({ full: 3000, fast: 1500 });
const MIB = 1024 * 1024;
const ALLOWED_GROWTH = 96 * MIB;
const MINUTES = 60_000;

/** What writes the lines. */
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

let folder: string;
let recorded: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-lines-'));
  const api = await startScriptedApi();
  const daemon = await startDaemon({ apiUrl: api.url });
  try {
    recorded = await recordTurn(daemon);
  } finally {
    await daemon.stop();
    await api.close();
  }
}, MINUTES);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The lines of the real CLI for a turn that thinks, asks, runs a tool and speaks. */
async function recordTurn(daemon: Daemon): Promise<string[]> {
  const client = await connect(daemon);
  const prompt = scenario(
    {
      thinking: 'Let me see.',
      text: 'I make a file.',
      tools: [{ name: 'Bash', input: { command: 'echo made > made' } }],
      chunk: 4,
    },
    { text: 'It is there.', chunk: 4 },
  );
  const started = await client.request('streamStart', { prompt, workingDirectory: daemon.project() });
  const { sessionId } = started.data;
  await client.waitFor('permissionRequest');
  await client.request('permission', { sessionId, response: 'y', remember: false });
  await client.waitFor('streamComplete');
  client.terminate();
  return readFileSync(join(daemon.home, 'run', sessionId, 'stdout.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
}

/** A prompt to the stand-in: it writes the file's bytes as they are, and ends its turn. */
function promptFor(bytes: Buffer, result: string): string {
  const path = join(folder, 'lines');
  writeFileSync(path, bytes);
  return JSON.stringify([{ file: path }, ...wellFormed(result)]);
}

const wellFormed = (text: string) => [
  {
    line: {
      type: 'assistant',
      message: { id: `m-${text}`, content: [{ type: 'text', text }] },
      parent_tool_use_id: null,
    },
  },
  { result: text },
];

const batchOf = (random: Random): Buffer =>
  Buffer.concat(Array.from({ length: BATCH }, () => malformedLine(recorded, random)));

interface Turn {
  client: WireClient;
  sessionId: string;
  prompt: string;
}

/** Sends a prompt; resolves with its end. */
async function run({ client, sessionId, prompt }: Turn) {
  const from = client.frames.length;
  const accepted = await client.request('streamSend', { sessionId, prompt });
  const { promptId } = accepted.data;
  const end = await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId, from);
  return end;
}

/** Lines of one batch in a session of its own, then a good turn in it. */
async function spoilAndRecover(random: Random, round: number): Promise<void> {
  const client = await world.connect({ deviceId: `reader-${round}` });
  const started = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  const { sessionId } = started.data;
  await run({ client, sessionId, prompt: promptFor(batchOf(random), `after-${round}`) });
  await client.waitFor(saying(`after-${round}`));
  const end = await run({ client, sessionId, prompt: JSON.stringify(wellFormed(`good-${round}`)) });
  expect(end.data).toMatchObject({ subtype: 'success', isError: false, finalResult: `good-${round}` });
  await client.waitFor(saying(`good-${round}`));
  const events = client.events(sessionId);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const ended = events.flatMap(({ type, data }) => (type === 'streamComplete' && data.promptId ? [data.promptId] : []));
  expect(ended).toHaveLength(2);
  expect(new Set(ended).size).toBe(2);
  const closing = await client.request('streamClose', { sessionId, reason: 'done' });
  expect(closing.data.status).toBe('closed');
  client.terminate();
}

const saying = (text: string) => (frame: { type: string; data: { content?: unknown } }) =>
  frame.type === 'assistantMessage' && JSON.stringify(frame.data.content).includes(`"${text}"`);

describe('malformed lines', () => {
  test(
    'O1: whatever the CLI writes, its next good turn arrives whole; the daemon lives, its memory stays bounded, and others notice nothing',
    async () => {
      const { pid } = world.daemon;
      const random = createRandom(20_261_121);
      const witness = await createWitness(world, { promptFor: (text) => JSON.stringify(wellFormed(text)) });
      const samples: number[] = [];
      for (let round = 0; round < LINES / BATCH; round += 1) {
        await Promise.all([spoilAndRecover(random, round), witness.live()]);
        samples.push(residentOf(pid));
      }
      witness.check();
      expect(world.daemon.pid).toBe(pid);
      expect(growthOf(samples)).toBeLessThan(ALLOWED_GROWTH);
    },
    10 * MINUTES,
  );
});
