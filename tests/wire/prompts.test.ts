import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const open = useSharedSession(world);

const completions = (client: WireClient): Frame[] => client.events().filter(({ type }) => type === 'streamComplete');

const completed = (client: WireClient, promptId: string): Promise<Frame> =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

describe('prompts', () => {
  test('I1: prompts wait for their turn, run one at a time and in order, each with one end', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const first = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'One.', gate: 'q1' }) });
    const second = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Two.' }) });
    const third = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ text: 'Three.' }),
      mode: 'queue',
    });
    expect([first, second, third].map(({ type, data }) => [type, data.position, data.duplicate])).toEqual([
      ['promptAccepted', 0, false],
      ['promptAccepted', 1, false],
      ['promptAccepted', 2, false],
    ]);
    await world.api.reached('q1');
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.queueDepth === 2);
    world.api.release('q1');
    await completed(client, third.data.promptId);
    expect(completions(client).map(({ data }) => [data.promptId, data.finalResult])).toEqual([
      [first.data.promptId, 'One.'],
      [second.data.promptId, 'Two.'],
      [third.data.promptId, 'Three.'],
    ]);
    const humans = client.events().filter(({ type }) => type === 'humanMessage');
    expect(humans.map(({ data }) => data.promptId)).toEqual(completions(client).map(({ data }) => data.promptId));
  });

  test('I1: a repeated request id gets the first answer and runs nothing, also from two connections at once', async () => {
    const client = await world.connect();
    const { sessionId, directory: workingDirectory } = await open(client);
    const prompt = scenario({ text: 'Once.' });
    const first = await client.request('streamSend', { sessionId, prompt }, 'the-same-id');
    const second = await client.request('streamSend', { sessionId, prompt }, 'the-same-id');
    expect(second.data).toEqual({ ...first.data, duplicate: true });
    await completed(client, first.data.promptId);
    const again = await world.connect({ deviceId: client.deviceId });
    const third = await again.request('streamSend', { sessionId, prompt }, 'the-same-id');
    expect(third.data).toEqual({ ...first.data, duplicate: true });
    const restarted = await again.request('streamStart', { prompt, workingDirectory }, 'start-id');
    const repeated = await again.request('streamStart', { prompt, workingDirectory: world.daemon.root }, 'start-id');
    expect(restarted.type).toBe('streamStarted');
    expect(repeated.data.promptId).toBe(restarted.data.promptId);
    await completed(again, restarted.data.promptId);
    expect(world.api.requests.filter(({ messages }) => JSON.stringify(messages).includes('Once.')).length).toBeLessThan(
      4,
    );
  });

  test('a queued prompt that is cancelled never runs; an ended one cannot be cancelled', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const first = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Runs.', gate: 'c1' }) });
    const second = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Never.' }) });
    await world.api.reached('c1');
    const cancelled = await client.request('cancelPrompt', { promptId: second.data.promptId });
    expect(cancelled).toMatchObject({
      type: 'promptCancelled',
      data: { promptId: second.data.promptId, was: 'queued' },
    });
    world.api.release('c1');
    await completed(client, first.data.promptId);
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(completions(client)).toHaveLength(1);
    const late = await client.request('cancelPrompt', { promptId: first.data.promptId });
    expect(late.data).toMatchObject({ code: 'CONFLICT' });
    const unknown = await client.request('cancelPrompt', { promptId: 'nobody' });
    expect(unknown.data).toMatchObject({ code: 'NOT_FOUND', details: { field: 'promptId' } });
  });

  test('cancelling the running prompt interrupts it', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const text = 'x'.repeat(400);
    const sent = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ text, gateAfter: { deltas: 3, gate: 'c2' } }),
    });
    await client.waitFor(({ type }) => type === 'streamData');
    const cancelled = await client.request('cancelPrompt', { promptId: sent.data.promptId });
    expect(['dispatching', 'processing']).toContain(cancelled.data.was);
    expect((await completed(client, sent.data.promptId)).data.subtype).toBe('interrupted');
    world.api.release('c2');
  });

  test('an interrupt is answered before the turn ends; what was said is kept as partial; the queue goes on where it is told to', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const text = 'abcdefgh'.repeat(60);
    const first = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ text, gateAfter: { deltas: 3, gate: 'i1' } }),
    });
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'After.' }) });
    await client.waitFor(({ type }) => type === 'streamData');
    const answer = await client.request('interrupt', { sessionId, holdQueue: false });
    expect(answer).toMatchObject({ type: 'interrupted', data: { sessionId, was: 'working' } });
    const end = await completed(client, first.data.promptId);
    expect(end.data.subtype).toBe('interrupted');
    expect(client.frames.indexOf(answer)).toBeLessThan(client.frames.indexOf(end));
    const partial = await client.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
    const said = partial.data.content[0]?.text ?? '';
    expect(said.length).toBeGreaterThan(0);
    expect(text.startsWith(said)).toBe(true);
    const aborted = client.frames.find(({ type, data }) => type === 'streamData' && data.isComplete === true);
    expect(aborted?.data).toMatchObject({ messageId: partial.data.messageId, blockIndex: 0 });
    expect((await completed(client, next.data.promptId)).data.finalResult).toBe('After.');
    world.api.release('i1');
  });

  test('an interrupt with clearQueue drops what waits, and one of an idle session is harmless', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const running = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'x', gate: 'i2' }) });
    await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Dropped.' }) });
    await world.api.reached('i2');
    await client.request('interrupt', { sessionId, clearQueue: true });
    const end = await completed(client, running.data.promptId);
    world.api.release('i2');
    await client.waitFor(
      ({ type, data }) => type === 'sessionStatus' && data.status === 'idle',
      client.frames.indexOf(end),
    );
    expect(completions(client)).toHaveLength(1);
    const idle = await client.request('interrupt', { sessionId });
    expect(idle.data.was).toBe('idle');
    const after = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Still here.' }) });
    expect((await completed(client, after.data.promptId)).data.finalResult).toBe('Still here.');
  });

  test.each(['streamStarted', 'humanMessage'])(
    'an interrupt after %s, before the CLI has begun, still ends the turn',
    async (moment) => {
      const client = await world.connect();
      const started = await client.request('streamStart', {
        prompt: scenario({ text: 'x'.repeat(200), gate: 'never-opened' }),
        workingDirectory: world.daemon.project(),
      });
      const { sessionId, promptId } = started.data;
      await client.waitFor(moment);
      await client.request('interrupt', { sessionId });
      expect((await completed(client, promptId)).data.subtype).toBe('interrupted');
      expect(completions(client)).toHaveLength(1);
    },
  );

  test('a steered prompt goes into the running turn at the next tool boundary', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const tool = { name: 'Read', input: { file_path: '/etc/hostname' } };
    const first = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ tools: [tool], gate: 's1' }, { text: 'Both heard.' }),
    });
    await world.api.reached('s1');
    const steer = await client.request('streamSend', { sessionId, prompt: 'Mind the gap.', mode: 'steer' });
    expect(steer.data).toMatchObject({ position: 0, duplicate: false });
    world.api.release('s1');
    await client
      .waitFor('permissionRequest')
      .then(({ data }) =>
        client.request('permission', { sessionId, permissionId: data.permissionId, response: 'y', remember: false }),
      );
    const end = await completed(client, first.data.promptId);
    expect(end.data.steered).toEqual([steer.data.promptId]);
    expect(completions(client)).toHaveLength(1);
  });

  test('a steered prompt that meets no tool boundary runs next', async () => {
    const client = await world.connect();
    const { sessionId } = await open(client);
    const first = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ text: 'x'.repeat(100), gateAfter: { deltas: 2, gate: 's2' } }),
    });
    await client.waitFor(({ type }) => type === 'streamData');
    const steer = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ text: 'Now me.' }),
      mode: 'steer',
    });
    world.api.release('s2');
    expect((await completed(client, first.data.promptId)).data.steered).toBeUndefined();
    expect((await completed(client, steer.data.promptId)).data.finalResult).toBe('Now me.');
  });

  test('claudeCommand is answered when its turn ends, and ask with the result of its one turn', async () => {
    const client = await world.connect();
    const { directory: projectPath } = await open(client);
    const answered = await client.request('claudeCommand', { command: scenario({ text: 'Commanded.' }), projectPath });
    expect(answered).toMatchObject({ type: 'claudeResponse', data: { content: 'Commanded.', success: true } });
    const asked = await client.request('ask', { prompt: scenario({ text: 'Answered.' }) });
    expect(asked.data).toMatchObject({
      success: true,
      response: { type: 'result', subtype: 'success', is_error: false, result: 'Answered.' },
    });
    const inFolder = await client.request('ask', {
      prompt: scenario({ text: 'There.' }),
      workingDirectory: projectPath,
    });
    expect(inFolder.data).toMatchObject({ success: true, response: { result: 'There.', num_turns: 1 } });
    const late = {
      prompt: scenario({ text: 'Too late.', gate: 'ask' }),
      options: { format: 'json' as const, timeout: 1000 },
    };
    expect((await client.request('ask', late)).data).toMatchObject({ code: 'TIMEOUT' });
    world.api.release('ask');
  });
});

/** Runs this many turns in a new project; the API answers a request for a suggestion as the last turn. */
async function converse(client: WireClient, turns: number): Promise<string> {
  const workingDirectory = world.daemon.project();
  const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data;
  for (let count = 0; count < turns; count += 1) {
    const prompt = scenario({ text: 'Run the tests.' }, { text: 'Run the tests.' });
    const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  }
  return sessionId;
}

describe('what the person could say next', () => {
  test('a device that names it gets a suggestion after a turn, others that follow all get none', async () => {
    const phone = await world.connect({ deviceId: 'suggested-to' });
    const tablet = await world.connect();
    await phone.request('subscribe', { events: ['*', 'promptSuggestion'] });
    await tablet.request('subscribe', { events: ['*'] });
    const sessionId = await converse(phone, 2);
    const suggested = await phone.waitFor('promptSuggestion');
    expect(suggested.data).toEqual({ sessionId, text: 'Run the tests.' });
    expect(suggested.seq).toBeUndefined();
    await tablet.request('ping', {});
    expect(tablet.frames.map(({ type }) => type)).not.toContain('promptSuggestion');
    phone.terminate();
  });

  test('without such a device no suggestion is asked of the API', async () => {
    const client = await world.connect();
    await client.request('subscribe', { events: ['*'] });
    const before = world.api.requests.length;
    await converse(client, 3);
    expect(world.api.requests.length - before).toBe(3);
  });
});
