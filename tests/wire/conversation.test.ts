import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const sharedDirectory = useSharedDirectory(world);
afterEach(() => world.disconnect());

const BASH = (command: string) => ({ tools: [{ name: 'Bash', input: { command, description: 'A test command' } }] });

describe('a conversation', () => {
  test('D1, D4: text comes as it is written, then whole, then the turn ends with its cost', async () => {
    const client = await world.connect();
    const text = 'Hello from the real CLI, word by word, until it is all said.';
    const prompt = scenario({ thinking: 'Let me see.', text, chunk: 6, gateAfter: { deltas: 6, gate: 'half' } });
    const started = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    expect(started).toMatchObject({ type: 'streamStarted', data: { reused: false } });
    const first = await client.waitFor(
      ({ type, data }) => type === 'streamData' && data.streamType === 'assistant_message',
    );
    expect(first.data).toMatchObject({ offset: 0, isComplete: false, content: { type: 'text' } });
    expect(client.frames.some(({ type }) => type === 'streamComplete')).toBe(false);
    world.api.release('half');
    const complete = await client.waitFor('streamComplete');
    expect(complete.data).toMatchObject({
      subtype: 'success',
      isError: false,
      finalResult: text,
      promptId: started.data.promptId,
      cost: expect.any(Number),
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    });
    const blocks = client.events().filter(({ type }) => type === 'assistantMessage');
    expect(blocks.map(({ data }) => data.content)).toEqual([
      [{ type: 'thinking', text: 'Let me see.' }],
      [{ type: 'text', text }],
    ]);
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(client.events().map(({ seq }) => seq)).toEqual(client.events().map((_, index) => index + 1));
    expect(client.events().map(({ type }) => type)).toEqual(expect.arrayContaining(['humanMessage', 'systemInit']));
  });

  test('deltas of a block meet end to end and make exactly the text of the final message', async () => {
    const client = await world.connect();
    const text = 'Grüße — 👩‍👩‍👧 家族, und so weiter. '.repeat(40);
    const prompt = scenario({ text, chunk: 7 });
    await client.request('streamStart', { prompt, workingDirectory: await sharedDirectory() });
    await client.waitFor('streamComplete');
    let joined = '';
    for (const { type, data } of client.frames) {
      if (type !== 'streamData') continue;
      expect(data.offset).toBe(joined.length);
      joined += data.content.text;
    }
    expect(joined).toBe(text);
  });

  test('a tool that a person allows runs, and what it says comes back', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    await client.request('streamStart', {
      prompt: scenario(BASH('echo made > made.txt && cat made.txt'), { text: 'Done.' }),
      workingDirectory: directory,
    });
    const request = await client.waitFor('permissionRequest');
    expect(request.data).toMatchObject({
      kind: 'tool',
      toolName: 'Bash',
      toolInput: { command: 'echo made > made.txt && cat made.txt' },
      options: ['allow', 'deny', 'always'],
      timeout: 0,
    });
    expect(request.seq).toEqual(expect.any(Number));
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'waiting');
    expect(existsSync(join(directory, 'made.txt'))).toBe(false);
    const { sessionId, permissionId } = request.data;
    const accepted = await client.request('permission', { sessionId, permissionId, response: 'y', remember: false });
    expect(accepted).toMatchObject({ type: 'permissionAccepted', data: { permissionId, decision: 'allow' } });
    const resolved = await client.waitFor('permissionResolved');
    expect(resolved.data).toMatchObject({ permissionId, decision: 'allow', byDeviceId: client.deviceId });
    const result = await client.waitFor('toolResult');
    expect(result.data).toMatchObject({ toolName: 'Bash', success: true, result: 'made' });
    const use = await client.waitFor('toolUse');
    expect(result.data.toolId).toBe(use.data.toolId);
    const complete = await client.waitFor('streamComplete');
    expect(complete.data).toMatchObject({ finalResult: 'Done.', numTurns: 2 });
    expect(readFileSync(join(directory, 'made.txt'), 'utf8')).toBe('made\n');
    const states = client.frames.filter(({ type }) => type === 'streamToolUse').map(({ data }) => data.status);
    expect(states).toEqual(['started', 'running', 'done']);
  });

  test('a tool that a person denies does not run, and Claude is told what they said', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    await client.request('streamStart', {
      prompt: scenario(BASH('touch never.txt'), { text: 'As you wish.' }),
      workingDirectory: directory,
    });
    const { data } = await client.waitFor('permissionRequest');
    const denied = { sessionId: data.sessionId, response: 'no', remember: false, message: 'Not on a Friday.' };
    expect((await client.request('permission', denied)).data).toMatchObject({ decision: 'deny' });
    const result = await client.waitFor('toolResult');
    expect(result.data).toMatchObject({ success: false, error: expect.stringContaining('Not on a Friday.') });
    await client.waitFor('streamComplete');
    expect(existsSync(join(directory, 'never.txt'))).toBe(false);
  });

  test('a remembered permission is not asked for again, also not by the next child', async () => {
    const client = await world.connect();
    const directory = await sharedDirectory();
    const prompt = () => scenario(BASH('touch always.txt'), { text: 'Touched.' });
    const started = await client.request('streamStart', { prompt: prompt(), workingDirectory: directory });
    const { sessionId } = started.data;
    await client.waitFor('permissionRequest');
    await client.request('permission', { sessionId, response: 'always', remember: false });
    await client.waitFor('streamComplete');
    const second = client.frames.length;
    await client.request('streamSend', { sessionId, prompt: prompt() });
    await client.waitFor('streamComplete', second);
    await client.request('streamClose', { sessionId, reason: 'to get another child' });
    const third = client.frames.length;
    await client.request('streamStart', { prompt: prompt(), workingDirectory: directory });
    await client.waitFor('streamComplete', third);
    expect(client.frames.filter(({ type }) => type === 'permissionRequest')).toHaveLength(1);
  });

  test('a question is answered by the label of an option', async () => {
    const client = await world.connect();
    const question = 'Which colour?';
    const options = [
      { label: 'Blue', description: 'Calm' },
      { label: 'No', description: 'None at all' },
    ];
    const ask = {
      name: 'AskUserQuestion',
      input: { questions: [{ question, header: 'Colour', multiSelect: false, options }] },
    };
    const started = await client.request('streamStart', {
      prompt: scenario({ tools: [ask] }, { text: 'Noted.' }),
      workingDirectory: await sharedDirectory(),
    });
    const { sessionId } = started.data;
    const request = await client.waitFor('permissionRequest');
    expect(request.data).toMatchObject({
      kind: 'question',
      prompt: question,
      options: ['Blue', 'No'],
      defaultOption: 'Blue',
    });
    const vague = await client.request('permission', { sessionId, response: 'allow', remember: false });
    expect(vague.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field: 'answers' } });
    const other = { sessionId, response: 'allow', remember: false, answers: { 'Which size?': 'L' } };
    expect((await client.request('permission', other)).data).toMatchObject({ code: 'INVALID_REQUEST' });
    await client.request('permission', { sessionId, response: 'No', remember: false });
    const result = await client.waitFor('toolResult');
    expect(result.data).toMatchObject({ success: true, result: expect.stringContaining('"Which colour?"="No"') });
    await client.waitFor('streamComplete');
  });

  test('a plan waits for approval, and cannot be approved for ever', async () => {
    const client = await world.connect();
    const plan = '# Plan\n\nDo it in two steps.';
    const started = await client.request('streamStart', {
      prompt: scenario({ tools: [{ name: 'ExitPlanMode', input: { plan } }] }, { text: 'On it.' }),
      workingDirectory: await sharedDirectory(),
      options: { permissionMode: 'plan' },
    });
    const request = await client.waitFor('permissionRequest');
    expect(request.data).toMatchObject({ kind: 'plan', toolName: 'ExitPlanMode', toolInput: { plan } });
    const { sessionId } = started.data;
    const refused = [
      await client.request('permission', { sessionId, response: 'always', remember: false }),
      await client.request('permission', { sessionId, response: 'yes', remember: true }),
    ];
    expect(refused.map(({ data }) => data)).toMatchObject([
      { code: 'INVALID_REQUEST', details: { field: 'response' } },
      { code: 'INVALID_REQUEST', details: { field: 'remember' } },
    ]);
    await client.request('permission', { sessionId, response: 'yes', remember: false });
    const complete = await client.waitFor('streamComplete');
    expect(complete.data).toMatchObject({ isError: false, finalResult: 'On it.' });
  });

  test('what a subagent says is marked with the tool use that began it', async () => {
    const client = await world.connect();
    const directory = world.daemon.project();
    const read = { name: 'Read', input: { file_path: join(directory, 'nothing.txt') } };
    const prompt = `sub ${scenario({ tools: [read] }, { text: 'From the subagent.' })}`;
    const input = { description: 'A helper', prompt, subagent_type: 'general-purpose', run_in_background: true };
    await client.request('streamStart', {
      prompt: scenario({ tools: [{ name: 'Agent', input }] }, { text: 'Both done.' }),
      workingDirectory: directory,
    });
    const use = await client.waitFor(({ type, data }) => type === 'toolUse' && data.toolName === 'Agent');
    await client.waitFor('streamComplete');
    const inner = await client.waitFor(({ type, data }) => type === 'toolUse' && data.toolName === 'Read');
    expect(inner.data.parentToolUseId).toBe(use.data.toolId);
    const said = client.events().filter(({ type, data }) => type === 'assistantMessage' && data.parentToolUseId);
    for (const { data } of said) expect(data.parentToolUseId).toBe(use.data.toolId);
    expect(said.length).toBeGreaterThan(0);
    // The end of a subagent begins a turn of its own, which the client of the next test must not take for its turn.
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === undefined);
  });

  test('an image reaches Claude, and its echo says only what it was', async () => {
    const asked = world.api.requests.length;
    const client = await world.connect();
    const data = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    await client.request('streamStart', {
      prompt: scenario({ text: 'A dot.' }),
      workingDirectory: await sharedDirectory(),
      attachments: [{ mediaType: 'image/png', data: data.toString('base64'), name: 'dot.png' }],
    });
    const human = await client.waitFor('humanMessage');
    expect(human.data.content).toContainEqual({ type: 'image', mediaType: 'image/png', bytes: data.length });
    await client.waitFor('streamComplete');
    const requests = world.api.requests.slice(asked).map(({ messages }) => messages);
    expect(JSON.stringify(requests)).toContain('"type":"image"');
  });

  test('a prompt with 3 MB of images is taken whole, one with 3 MB of text is refused', async () => {
    const client = await world.connect();
    const workingDirectory = await sharedDirectory();
    const text = await client.request('streamStart', { prompt: 'x'.repeat(3_000_000), workingDirectory });
    expect(text.data).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', details: { field: 'prompt' } });
    const image = { mediaType: 'image/png' as const, data: Buffer.alloc(750_000, 7).toString('base64') };
    await client.request('streamStart', {
      prompt: scenario({ text: 'All of it.' }),
      workingDirectory,
      attachments: [image, image, image, image],
    });
    const complete = await client.waitFor('streamComplete');
    expect(complete.data.promptId).toEqual(expect.any(String));
    const human = await client.waitFor('humanMessage');
    expect(human.data.content).toHaveLength(5);
  });

  test('conversationResult follows streamComplete for those who name it', async () => {
    const client = await world.connect();
    await client.request('subscribe', { events: ['streamComplete', 'conversationResult'] });
    const started = await client.request('streamStart', {
      prompt: scenario({ text: 'In short.' }),
      workingDirectory: await sharedDirectory(),
    });
    const { sessionId } = started.data;
    const result = await client.waitFor(
      ({ type, data }) => type === 'conversationResult' && data.sessionId === sessionId,
    );
    expect(result).toMatchObject({ data: { success: true, result: 'In short.' } });
    expect(result.seq).toBeUndefined();
    const types = client.frames.map(({ type }) => type);
    expect(types.indexOf('conversationResult')).toBe(types.indexOf('streamComplete') + 1);
    expect(types).not.toContain('assistantMessage');
  });

  test('two directories work at the same time', async () => {
    const client = await world.connect();
    const start = (gate: string, workingDirectory: string) =>
      client.request('streamStart', { prompt: scenario({ text: `From ${gate}.`, gate }), workingDirectory });
    const one = await start('one', await sharedDirectory());
    const two = await start('two', world.daemon.project());
    await Promise.all([world.api.reached('one'), world.api.reached('two')]);
    world.api.release('two');
    const first = await client.waitFor('streamComplete');
    expect(first.data).toMatchObject({ sessionId: two.data.sessionId, finalResult: 'From two.' });
    world.api.release('one');
    const second = await client.waitFor(
      ({ type, sessionId }) => type === 'streamComplete' && sessionId === one.data.sessionId,
    );
    expect(second.data.finalResult).toBe('From one.');
  });

  test('H1: the same directory opened 20 times at once, in different spellings, is one session with one child', async () => {
    const client = await world.connect();
    const directory = world.daemon.project('same');
    const spellings = [directory, `${directory}/`, `${directory}/../same`, `${world.daemon.root}//same/.`];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        client.request('streamStart', {
          prompt: '',
          workingDirectory: spellings[index % spellings.length] ?? directory,
        }),
      ),
    );
    const ids = new Set(answers.map(({ data }) => data.sessionId));
    expect(ids.size).toBe(1);
    expect(answers.filter(({ data }) => data.reused === false)).toHaveLength(1);
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    const response = await world.daemon.fetch('/api/sessions');
    const { sessions } = (await response.json()) as { sessions: { workingDirectory: string; pid: number }[] };
    expect(sessions.filter(({ workingDirectory }) => workingDirectory === directory)).toHaveLength(1);
  });
});
