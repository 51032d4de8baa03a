/** Prompts that wait, with what is too large to wait in memory. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { withSum } from '../../services/record/sqlite/row-sums.js';
import type { PromptRow } from '../../services/record/sqlite/rows.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { residentOf } from '../faults/support/memory.js';
import { blobsIn, modeOfBlobs } from '../support/blobs.js';
import { countOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const MIB = 1024 * 1024;

const imageOf = (bytes: number, fill = 7) => ({
  mediaType: 'image/png' as const,
  data: Buffer.alloc(bytes, fill).toString('base64'),
});

const endOf = (promptId: string) => (frame: { type: string; data: { promptId?: unknown } }) =>
  frame.type === 'streamComplete' && frame.data.promptId === promptId;

// Other sessions wait in line for a child.
const ordinary = useWorld({ environment: { MAX_WAITING_BYTES: String(8 * MIB), MAX_PROCESSES: '1' } });
const openShared = useSharedSession(ordinary);
let gates = 0;
// Also where a test has failed, the next one finds room.
afterEach(() => ordinary.api.release(`busy-${gates}`));

/** The session that the tests share, in which a turn runs until its gate is released. */
async function busySession(client: WireClient) {
  gates += 1;
  const gate = `busy-${gates}`;
  const { sessionId } = await openShared(client);
  const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Busy.', gate }) });
  await ordinary.api.reached(gate);
  return { sessionId, gate, first: sent.data.promptId };
}

describe('attachments and long texts', () => {
  const world = ordinary;
  const home = () => world.daemon.home;

  test('wait in files for their owner alone, reach Claude as they were, and go with the end of their prompt', async () => {
    const client = await world.connect();
    const { sessionId, gate } = await busySession(client);
    const image = imageOf(300_000);
    const text = `${scenario({ text: 'Seen.' })} ${'ä𝄞"\\\n'.repeat(5000)}`;
    const accepted = await client.request('streamSend', { sessionId, prompt: text, attachments: [image] });
    expect(accepted.type).toBe('promptAccepted');
    expect(modeOfBlobs(home())).toBe(0o700);
    expect(blobsIn(home())).toMatchObject([{ bytes: image.data.length + Buffer.byteLength(text), mode: 0o600 }]);
    world.api.release(gate);
    await client.waitFor(endOf(accepted.data.promptId));
    const said = client
      .events(sessionId)
      .find(({ type, data }) => type === 'humanMessage' && data.promptId === accepted.data.promptId);
    expect(said?.data.content).toEqual([
      { type: 'text', text },
      { type: 'image', mediaType: 'image/png', bytes: 300_000 },
    ]);
    expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain(JSON.stringify(text).slice(1, -1));
    await world.daemon.until(() => blobsIn(home()).length === 0);
  });

  test('of a prompt that is cancelled, of a session that is closed, or that come again, leave nothing behind', async () => {
    const client = await world.connect();
    const { sessionId, gate, first } = await busySession(client);
    const prompt = scenario({ text: 'Never.' });
    const send = (requestId?: string) =>
      client.request('streamSend', { sessionId, prompt, attachments: [imageOf(1000)] }, requestId);
    const cancelled = await send();
    const repeated = await send('twice');
    expect((await send('twice')).data).toMatchObject({ promptId: repeated.data.promptId, duplicate: true });
    expect(blobsIn(home())).toHaveLength(2);
    await client.request('cancelPrompt', { promptId: cancelled.data.promptId });
    await world.daemon.until(() => blobsIn(home()).length === 1);
    world.api.release(gate);
    await client.waitFor(endOf(first));
    await client.request('streamClose', { sessionId, reason: 'over' });
    await world.daemon.until(() => blobsIn(home()).length === 0);
  });

  test('that are gone from the disk end their prompt and no other, before and after a restart, which removes those that no prompt needs and nothing else', async () => {
    const client = await world.connect({ deviceId: 'loser' });
    const { sessionId, gate, first } = await busySession(client);
    const send = (text: string) =>
      client.request('streamSend', { sessionId, prompt: scenario({ text }), attachments: [imageOf(1000)] });
    const lost = await send('Lost.');
    for (const { path } of blobsIn(home())) rmSync(path);
    const kept = await send('Kept.');
    const needed = blobsIn(home()).map(({ path }) => path);
    const stray = join(home(), 'journal.db.blobs', 'a'.repeat(32));
    const foreign = join(home(), 'journal.db.blobs', 'notes.txt');
    for (const path of [stray, foreign]) writeFileSync(path, 'x');
    await world.daemon.restart('SIGKILL');
    expect(
      blobsIn(home())
        .map(({ path }) => path)
        .sort(),
    ).toEqual([...needed, foreign].sort());
    rmSync(foreign);
    const again = await world.connect({ deviceId: 'loser' });
    world.api.release(gate);
    const ends = await Promise.all(
      [first, lost.data.promptId, kept.data.promptId].map((id) => again.waitFor(endOf(id))),
    );
    expect(ends.map(({ data }) => data.subtype)).toEqual(['success', 'contents_lost', 'success']);
    const error = again.events(sessionId).find(({ type }) => type === 'error');
    expect(error?.data).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('Send it again') });
  });

  test('that are not as they were written are not given to Claude', async () => {
    const client = await world.connect();
    const { sessionId, gate } = await busySession(client);
    const prompt = scenario({ text: 'Never run.' });
    const sent = await client.request('streamSend', { sessionId, prompt, attachments: [imageOf(1000)] });
    const [blob] = blobsIn(home());
    writeFileSync(blob?.path ?? '', imageOf(1000, 8).data);
    world.api.release(gate);
    expect((await client.waitFor(endOf(sent.data.promptId))).data.subtype).toBe('contents_lost');
    expect(world.api.runs(prompt)).toBe(0);
  });
});

describe('what may wait on the disk', () => {
  const world = ordinary;

  test('is bounded for a session and for a person, with an error that says so and changes nothing', async () => {
    const client = await world.connect();
    const { sessionId, gate } = await busySession(client);
    // As base64 it has 1.6 MiB: one fits into a session's 2 MiB, two into a person's 4 MiB.
    const attachments = [imageOf(1.2 * MIB)];
    const send = () => client.request('streamSend', { sessionId, prompt: scenario({ text: 'One.' }), attachments });
    const open = () =>
      client.request('streamStart', { prompt: 'Wait.', workingDirectory: world.daemon.project(), attachments });
    const accepted = await send();
    expect(accepted.type).toBe('promptAccepted');
    const ofSession = { field: 'attachments', rule: expect.stringContaining('may wait for a session') };
    expect((await send()).data).toMatchObject({ code: 'CAPACITY', details: ofSession });
    const text = await client.request('streamSend', { sessionId, prompt: 'x'.repeat(900_000) });
    expect(text.data).toMatchObject({ code: 'CAPACITY', details: { field: 'prompt' } });
    expect(blobsIn(world.daemon.home)).toHaveLength(1);
    const short = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Short.' }) });
    expect(short.type).toBe('promptAccepted');
    const second = await open();
    expect(second.type).toBe('streamStarted');
    const ofPerson = { field: 'attachments', rule: expect.stringContaining('may wait for a person') };
    expect((await open()).data).toMatchObject({ code: 'CAPACITY', details: ofPerson });
    expect(blobsIn(world.daemon.home)).toHaveLength(2);
    await client.request('cancelPrompt', { promptId: second.data.promptId });
    await client.request('cancelPrompt', { promptId: accepted.data.promptId });
    await world.daemon.until(() => blobsIn(world.daemon.home).length === 0);
    expect((await send()).type).toBe('promptAccepted');
    await client.request('clearQueue', { sessionId });
    world.api.release(gate);
  });
});

describe('a daemon with little memory', () => {
  const PROMPTS = countOf({ full: 58, fast: 8 });
  const HEAP_MIB = 64;
  const world = useWorld({
    environment: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`, MAX_WAITING_BYTES: String(4096 * MIB) },
  });
  let client: WireClient;
  let sessionId: string;
  let gate: string;
  let promptIds: string[];

  const view = async () =>
    (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json() as Promise<{ queueDepth: number }>;

  beforeAll(async () => {
    client = await world.connect({ deviceId: 'sender' });
    gate = 'little-memory';
    const prompt = scenario({ text: 'Busy.', gate });
    ({ sessionId } = (await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() })).data);
    await world.api.reached(gate);
    promptIds = [];
    for (let count = 0; count < PROMPTS; count += 1) {
      const text = scenario({ text: `Answer ${count}.` });
      const sent = await client.request('streamSend', { sessionId, prompt: text, attachments: [imageOf(8 * MIB)] });
      expect(sent.data).toMatchObject({ position: count + 1 });
      promptIds.push(sent.data.promptId);
    }
  }, 240_000);

  test(`takes ${PROMPTS} prompts with 8 MiB each, and starts again with them waiting`, async () => {
    const held = residentOf(world.daemon.pid);
    expect(held).toBeLessThan(400 * MIB);
    await world.daemon.restart('SIGKILL');
    expect(residentOf(world.daemon.pid)).toBeLessThan(200 * MIB);
    expect((await view()).queueDepth).toBe(PROMPTS);
    expect(blobsIn(world.daemon.home)).toHaveLength(PROMPTS);
  }, 60_000);

  test('starts with them in the rows of an older version, and gives them whole', async () => {
    await world.daemon.kill('SIGKILL');
    putInline(world.daemon.home);
    await world.daemon.start();
    expect((await view()).queueDepth).toBe(PROMPTS);
    const again = await world.connect({ deviceId: 'sender' });
    for (const promptId of promptIds.slice(1)) await again.request('cancelPrompt', { promptId: promptId });
    world.api.release(gate);
    const end = await again.waitFor(endOf(promptIds[0] ?? ''));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Answer 0.' });
    await world.daemon.until(() => blobsIn(world.daemon.home).length === 0);
  }, 300_000);
});

/** Puts the attachments of waiting prompts where versions without blobs have put them. */
function putInline(home: string): void {
  const database = openDatabase(join(home, 'journal.db'));
  const ids = database
    .prepare<[], string>('SELECT prompt_id FROM prompts WHERE attachments IS NOT NULL ORDER BY rowid')
    .pluck()
    .all();
  const write = database.prepare(
    'UPDATE prompts SET attachments = @attachments, sum = @sum WHERE prompt_id = @prompt_id',
  );
  for (const [index, id] of ids.entries()) {
    const row = database.prepare('SELECT * FROM prompts WHERE prompt_id = ?').get(id) as PromptRow;
    write.run(withSum('prompts', { ...row, attachments: JSON.stringify([imageOf(index === 0 ? 1000 : 8 * MIB)]) }));
  }
  database.close();
  rmSync(join(home, 'journal.db.blobs'), { recursive: true });
}
