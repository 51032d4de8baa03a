/** The prompts that wait: seen, edited, moved, cleared and held. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { blobsIn } from '../support/blobs.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// A second session waits in line, and costs no CLI.
const world = useWorld({ environment: { MAX_PROCESSES: '1' } });
const open = useSharedSession(world);
let gates = 0;
// Also where a test has failed, the next one finds room.
afterEach(() => world.api.release(`queue-${gates}`));

const completed = (client: WireClient, promptId: string): Promise<Frame> =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

const said = (client: WireClient): unknown[] =>
  client
    .events()
    .filter(({ type }) => type === 'streamComplete')
    .map(({ data }) => data.finalResult);

interface Shown {
  promptId: string;
  text: string;
  mode: string;
  deviceId: string;
}

const queueOf = (frame: Frame | undefined) => (frame?.data.queue ?? []) as Shown[];

/** Resolves with the first status that shows these prompts, in this order. */
const shows = (client: WireClient, promptIds: string[], from = 0): Promise<Frame> =>
  client.waitFor(
    (frame) =>
      frame.type === 'sessionStatus' &&
      frame.seq !== undefined &&
      JSON.stringify(queueOf(frame).map(({ promptId }) => promptId)) === JSON.stringify(promptIds),
    from,
  );

/** The session's turn waits at a gate, with prompts that wait for it. */
async function busy(client: WireClient, ...texts: string[]) {
  gates += 1;
  const gate = `queue-${gates}`;
  const { sessionId } = await open(client);
  const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Busy.', gate }) });
  const { promptId: running } = sent.data;
  await world.api.reached(gate);
  const waiting: string[] = [];
  for (const text of texts) {
    const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text }) });
    waiting.push(sent.data.promptId);
  }
  return { sessionId, running, waiting, release: () => world.api.release(gate) };
}

const at = (list: readonly string[], index: number): string => list.at(index) ?? '';

describe('the queue', () => {
  test('is in the status of the session: the waiting prompts in running order, with the beginning of each text', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const { sessionId, running, release } = await busy(client);
    const text = `${scenario({ text: 'Long.' })} ${'𝄞'.repeat(200)}`;
    const long = await client.request('streamSend', { sessionId, prompt: text });
    const status = await shows(client, [long.data.promptId]);
    const [shown] = queueOf(status);
    expect(shown).toMatchObject({ mode: 'queue', deviceId: 'phone' });
    expect(shown?.text.length).toBeGreaterThanOrEqual(199);
    expect(shown?.text.length).toBeLessThanOrEqual(200);
    expect(text.startsWith(shown?.text ?? '')).toBe(true);
    release();
    await completed(client, running);
    await shows(client, [], client.frames.indexOf(status));
    await completed(client, long.data.promptId);
  });

  test('shows at most 50 prompts, and counts all', async () => {
    const client = await world.connect();
    const { sessionId, waiting, release } = await busy(client, ...Array.from({ length: 52 }, (_, at) => `No ${at}.`));
    const status = await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.queueDepth === 52);
    expect(queueOf(status).map(({ promptId }) => promptId)).toEqual(waiting.slice(0, 50));
    const cleared = await client.request('clearQueue', { sessionId });
    expect(cleared.data).toEqual({ sessionId, cancelled: waiting });
    await shows(client, []);
    release();
  });

  test('a waiting prompt is edited: Claude gets the new text, under the old request id', async () => {
    const client = await world.connect();
    const { sessionId, release } = await busy(client);
    const old = scenario({ text: 'Old.' });
    const sent = await client.request('streamSend', { sessionId, prompt: old }, 'sent-once');
    const { promptId } = sent.data;
    const from = client.frames.length;
    const edited = await client.request('editPrompt', { promptId, prompt: scenario({ text: 'New.' }) });
    expect(edited).toMatchObject({ type: 'editPrompt', data: { promptId, sessionId } });
    const status = await shows(client, [promptId], from);
    expect(queueOf(status)[0]?.text).toContain('New.');
    const again = await client.request('streamSend', { sessionId, prompt: old }, 'sent-once');
    expect(again.data).toMatchObject({ promptId, duplicate: true });
    release();
    expect((await completed(client, promptId)).data.finalResult).toBe('New.');
    expect(world.api.runs(old)).toBe(0);
  });

  test('is reordered, and a long text and attachments are edited on the disk: the attachments stay, the old file goes, and all of it holds across a restart', async () => {
    const client = await world.connect({ deviceId: 'mover' });
    const { sessionId, running, waiting, release } = await busy(client, 'One.', 'Two.', 'Three.');
    const [one, two, three] = [at(waiting, 0), at(waiting, 1), at(waiting, 2)];
    const moved = await client.request('movePrompt', { promptId: three, before: one });
    expect(moved).toMatchObject({ type: 'movePrompt', data: { promptId: three, sessionId, position: 1 } });
    await shows(client, [three, one, two]);
    const last = await client.request('movePrompt', { promptId: one });
    expect(last.data.position).toBe(3);
    await shows(client, [three, two, one]);
    const attachments = [{ mediaType: 'image/png' as const, data: Buffer.alloc(3000, 7).toString('base64') }];
    const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Old.' }), attachments });
    const { promptId } = sent.data;
    const [before] = blobsIn(world.daemon.home);
    const text = `${scenario({ text: 'Seen.' })} ${'x'.repeat(10_000)}`;
    expect((await client.request('editPrompt', { promptId, prompt: text })).type).toBe('editPrompt');
    await world.daemon.until(() => blobsIn(world.daemon.home).every(({ path }) => path !== before?.path));
    expect(blobsIn(world.daemon.home)).toHaveLength(1);
    await world.daemon.restart('SIGKILL');
    const later = await world.connect({ deviceId: 'mover' });
    release();
    await completed(later, promptId);
    expect(said(later)).toEqual(['Busy.', 'Three.', 'Two.', 'One.', 'Seen.']);
    const ends = later.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(ends[0]?.data.promptId).toBe(running);
    const human = later
      .events(sessionId)
      .find(({ type, data }) => type === 'humanMessage' && data.promptId === promptId);
    expect(human?.data.content).toEqual([
      { type: 'text', text },
      { type: 'image', mediaType: 'image/png', bytes: 3000 },
    ]);
    await world.daemon.until(() => blobsIn(world.daemon.home).length === 0);
  });

  test('what has begun, has ended or is of another session is neither edited nor moved', async () => {
    const client = await world.connect();
    const { running, waiting, release } = await busy(client, 'Waits.');
    const elsewhere = { prompt: 'Elsewhere.', workingDirectory: world.daemon.project() };
    const { promptId: foreign } = (await client.request('streamStart', elsewhere)).data;
    const promptId = at(waiting, 0);
    for (const type of ['editPrompt', 'movePrompt'] as const) {
      const begun = await client.request(type, { promptId: running, prompt: 'x' });
      expect(begun.data).toMatchObject({ code: 'CONFLICT', details: { field: 'promptId' } });
      const unknown = await client.request(type, { promptId: 'nobody', prompt: 'x' });
      expect(unknown.data).toMatchObject({ code: 'NOT_FOUND', details: { field: 'promptId' } });
    }
    for (const before of [running, foreign, promptId, 'nobody']) {
      const moved = await client.request('movePrompt', { promptId, before });
      expect(moved.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'before' } });
    }
    const empty = await client.request('editPrompt', { promptId, prompt: ' ' });
    expect(empty.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'prompt' } });
    await client.request('cancelPrompt', { promptId: foreign });
    release();
    expect((await completed(client, promptId)).data.finalResult).toBe('Waits.');
    const ended = await client.request('editPrompt', { promptId, prompt: 'x' });
    expect(ended.data).toMatchObject({ code: 'CONFLICT', details: { field: 'promptId' } });
  });

  test('is cleared while the turn goes on', async () => {
    const client = await world.connect();
    const { sessionId, running, waiting, release } = await busy(client, 'Never.', 'Nor this.');
    const cleared = await client.request('clearQueue', { sessionId });
    expect(cleared.data).toEqual({ sessionId, cancelled: waiting });
    release();
    expect((await completed(client, running)).data.subtype).toBe('success');
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(said(client)).toEqual(['Busy.']);
  });

  test('is held by an interrupt, across a restart, until a person asks for it', async () => {
    const client = await world.connect({ deviceId: 'holder' });
    const { sessionId, running, waiting, release } = await busy(client, 'Held.');
    await client.request('interrupt', { sessionId });
    expect((await completed(client, running)).data.subtype).toBe('interrupted');
    release();
    const status = await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(status.data).toMatchObject({ queueHeld: true, queueDepth: 1 });
    await world.daemon.restart('SIGTERM');
    const later = await world.connect({ deviceId: 'holder' });
    // A second Stop changes nothing: nothing runs.
    await later.request('interrupt', { sessionId });
    const continued = await later.request('continueQueue', { sessionId });
    expect(continued).toMatchObject({ type: 'continueQueue', data: { sessionId, queueDepth: 1 } });
    expect((await completed(later, at(waiting, 0))).data.finalResult).toBe('Held.');
    expect(later.events(sessionId).filter(({ type }) => type === 'humanMessage')).toHaveLength(2);
  });

  test('held, goes on with the next prompt, which runs last', async () => {
    const client = await world.connect();
    const { sessionId, running, waiting, release } = await busy(client, 'Held.');
    await client.request('interrupt', { sessionId });
    await completed(client, running);
    release();
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Next.' }) });
    await completed(client, next.data.promptId);
    await completed(client, at(waiting, 0));
    expect(said(client).slice(1)).toEqual(['Held.', 'Next.']);
  });
});

describe('a steered prompt that Claude has not read', () => {
  const steer = (client: WireClient, sessionId: string, text = 'Mind the gap.') =>
    client.request('streamSend', { sessionId, prompt: scenario({ text }), mode: 'steer' });

  test('is taken back from the CLI, and the turn goes on', async () => {
    const client = await world.connect();
    const { sessionId, running, release } = await busy(client);
    const steered = await steer(client, sessionId);
    const { promptId } = steered.data;
    const cancelled = await client.request('cancelPrompt', { promptId });
    expect(cancelled).toMatchObject({ type: 'promptCancelled', data: { promptId, was: 'dispatching' } });
    expect((await completed(client, promptId)).data.subtype).toBe('interrupted');
    release();
    expect((await completed(client, running)).data).toMatchObject({ subtype: 'success', finalResult: 'Busy.' });
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(said(client)).toEqual(['', 'Busy.']);
  });

  test('is dropped with the queue', async () => {
    const client = await world.connect();
    const { sessionId, running, waiting, release } = await busy(client, 'Never.');
    const steered = await steer(client, sessionId);
    const cleared = await client.request('clearQueue', { sessionId });
    expect(cleared.data.cancelled).toEqual([...waiting, steered.data.promptId]);
    release();
    await completed(client, running);
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(said(client)).toEqual(['', 'Busy.']);
  });

  test('ends with the turn that is interrupted, and does not run afterwards', async () => {
    const client = await world.connect();
    const { sessionId, running, release } = await busy(client);
    const steered = await steer(client, sessionId, 'Must not run.');
    await client.request('interrupt', { sessionId });
    expect((await completed(client, steered.data.promptId)).data.subtype).toBe('interrupted');
    expect((await completed(client, running)).data.subtype).toBe('interrupted');
    release();
    const after = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'After.' }) });
    expect((await completed(client, after.data.promptId)).data.finalResult).toBe('After.');
    expect(said(client)).not.toContain('Must not run.');
    expect(client.events().filter(({ type }) => type === 'streamComplete')).toHaveLength(3);
  });
});
