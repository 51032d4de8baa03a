import { afterEach, describe, expect, test } from '@jest/globals';
import { childrenOf } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import { written } from '../support/transcript.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const sharedDirectory = useSharedDirectory(world);
afterEach(() => world.disconnect());

const start = async (client: WireClient, prompt: string) =>
  client.request('streamStart', { prompt, workingDirectory: await sharedDirectory() });

const viewOf = async (sessionId: string) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
  return (await response.json()) as { pid: number; claudeSessionId: string };
};

const pidOf = async (sessionId: string): Promise<number> => (await viewOf(sessionId)).pid;

describe('failures', () => {
  test.each([
    [429, 'rate_limit_error'],
    [529, 'overloaded_error'],
    [401, 'authentication_error'],
  ])('an API that answers %i ends the turn with an error, and the next prompt works', async (status, type) => {
    const client = await world.connect();
    const started = await start(client, scenario({ error: { status, type } }));
    const end = await client.waitFor('streamComplete');
    expect(end.data).toMatchObject({ promptId: started.data.promptId, isError: true, subtype: 'api_error' });
    await client.waitFor(({ type: name, data }) => name === 'sessionStatus' && data.status === 'idle');
    const { sessionId } = started.data;
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Well again.' }) });
    const well = await client.waitFor(({ data }) => data.promptId === next.data.promptId && data.subtype === 'success');
    expect(well.data.finalResult).toBe('Well again.');
  });

  test('an API that fails once is asked again, and the person sees that it is', async () => {
    const client = await world.connect();
    await start(client, scenario({ error: { status: 529, type: 'overloaded_error', times: 1 }, text: 'Second try.' }));
    const progress = await client.waitFor('progress');
    expect(progress.data).toMatchObject({ stage: 'api_retry', message: expect.stringContaining('529') });
    expect((await client.waitFor('streamComplete')).data.finalResult).toBe('Second try.');
  });

  test('a stream that breaks leaves what was written as partial, once, and the turn ends once', async () => {
    const client = await world.connect();
    const text = 'abcdefghijkl'.repeat(20);
    const started = await start(client, scenario({ text, breakAfter: 4 }));
    const end = await client.waitFor('streamComplete');
    expect(end.data.promptId).toBe(started.data.promptId);
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect(client.events().filter(({ type }) => type === 'streamComplete')).toHaveLength(1);
    const ids = client
      .events()
      .filter(({ type }) => type === 'assistantMessage')
      .map(({ data }) => `${data.messageId}/${data.blockIndex}`);
    expect(new Set(ids).size).toBe(ids.length);
    const begun = client.frames.filter(({ type }) => type === 'streamData');
    const ended = new Set(begun.filter(({ data }) => data.isComplete).map(({ data }) => data.messageId));
    for (const { data } of begun) expect(ended).toContain(data.messageId);
  });

  test('I1, I2: a child that dies in mid-turn ends the turn once, keeps its words, and the next prompt gets another child', async () => {
    const client = await world.connect();
    const text = 'Half of this was said. '.repeat(20);
    const started = await start(client, scenario({ text, gateAfter: { deltas: 4, gate: 'dies' } }));
    const { sessionId, promptId } = started.data;
    const queued = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'After the crash.' }) });
    await client.waitFor('streamData');
    await world.api.reached('dies');
    await client.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 96);
    process.kill(await pidOf(sessionId), 'SIGKILL');
    const end = await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    expect(end.data).toMatchObject({ subtype: 'child_exited', isError: true });
    const partial = await client.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
    expect(partial.data.content[0]?.text).toBe(text.slice(0, 96));
    expect((await client.waitFor('error')).data).toMatchObject({ sessionId, code: 'CLAUDE_UNAVAILABLE' });
    const next = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === queued.data.promptId,
    );
    expect(next.data.finalResult).toBe('After the crash.');
    world.api.release('dies');
    expect(world.api.runs('Half of this')).toBe(1);
  });

  test('a child that is killed while idle is told with an error, and the next prompt goes on with the conversation', async () => {
    const client = await world.connect();
    const started = await start(client, `Said before. ${scenario({ text: 'Before the kill.' })}`);
    const { sessionId } = started.data;
    const from = client.frames.indexOf(await client.waitFor('streamComplete'));
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle', from);
    const { claudeSessionId, pid } = await viewOf(sessionId);
    await written(world.daemon, claudeSessionId, 'Before the kill.');
    process.kill(pid, 'SIGKILL');
    const error = await client.waitFor('error');
    expect(error.data).toMatchObject({ sessionId, code: 'CLAUDE_UNAVAILABLE' });
    expect(error.data.message).toContain('SIGKILL');
    await client.waitFor(
      ({ seq, type, data }) => seq !== undefined && type === 'sessionStatus' && data.status === 'hibernated',
    );
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'And on.' }) });
    const end = await client.waitFor(({ data }) => data.promptId === next.data.promptId && data.subtype === 'success');
    expect(end.data.finalResult).toBe('And on.');
    expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('Said before.');
    expect(client.events(sessionId).filter(({ type }) => type === 'error')).toHaveLength(1);
  });

  test('I2: a permission request whose child died is expired, and a late answer is told so', async () => {
    const client = await world.connect();
    const tool = { name: 'Bash', input: { command: 'touch nothing', description: 'x' } };
    const started = await start(client, scenario({ tools: [tool] }));
    const { sessionId } = started.data;
    const { permissionId } = (await client.waitFor('permissionRequest')).data;
    process.kill(await pidOf(sessionId), 'SIGKILL');
    const resolved = await client.waitFor('permissionResolved');
    expect(resolved.data).toMatchObject({ permissionId, decision: 'expired' });
    const late = await client.request('permission', { sessionId, permissionId, response: 'y', remember: false });
    expect(late.data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    const unknown = await client.request('permission', {
      sessionId,
      permissionId: 'x',
      response: 'y',
      remember: false,
    });
    expect(unknown.data).toMatchObject({ code: 'NOT_FOUND', details: { field: 'permissionId' } });
  });

  test('I2: of two devices that answer a permission at once one wins and the other is told', async () => {
    const [one, two] = [await world.connect(), await world.connect()];
    const tool = { name: 'Bash', input: { command: 'touch raced', description: 'x' } };
    const { sessionId } = (await start(one, scenario({ tools: [tool] }, { text: 'Fine.' }))).data;
    await two.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const { permissionId } = (await two.waitFor('permissionRequest')).data;
    const answers = await Promise.all(
      [one, two].map((client) =>
        client.request('permission', { sessionId, permissionId, response: 'y', remember: false }),
      ),
    );
    expect(answers.map(({ type }) => type).sort()).toEqual(['error', 'permissionAccepted']);
    expect(answers.find(({ type }) => type === 'error')?.data.code).toBe('ALREADY_RESOLVED');
    for (const client of [one, two]) {
      await client.waitFor('permissionResolved');
      expect(client.frames.filter(({ type }) => type === 'permissionResolved')).toHaveLength(1);
    }
  });

  test('H3: closing a session ends the child and what its tools left in the background', async () => {
    const client = await world.connect();
    const command = '(setsid sleep 600 &) ; sleep 601 & echo started';
    const tool = { name: 'Bash', input: { command, description: 'Leaves things behind' } };
    const { sessionId } = (await start(client, scenario({ tools: [tool] }, { text: 'Left.' }))).data;
    await client.waitFor('permissionRequest');
    await client.request('permission', { sessionId, response: 'y', remember: false });
    await client.waitFor('streamComplete');
    const pid = await pidOf(sessionId);
    expect(childrenOf(world.daemon.home)).toContain(pid);
    const before = world.daemon.sessionProcesses(sessionId);
    expect(before.length).toBeGreaterThan(1);
    await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
    await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 0);
  });
});
