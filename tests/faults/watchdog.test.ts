/** A turn whose child says nothing: who follows it is told what it is at, and one that hangs is told from one that works. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { hurry } from '../support/hurry.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';
import { createSteps, isEndOf, marked } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-cli-'));
const CLAUDE_PATH = makeQuickCli(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const bash = (command: string, more: object = {}) => ({
  name: 'Bash',
  input: { command, description: 'x', ...more },
});

interface Given {
  sessionId: string;
  promptId: string;
  pid: number;
}

/** A session of its own, whose child is up. */
async function open(world: World, client: WireClient): Promise<Omit<Given, 'promptId'>> {
  const started = await client.request('streamStart', {
    prompt: '',
    workingDirectory: world.daemon.project(),
    options: { allowedTools: ['Bash', 'mcp__working'] },
  });
  const { sessionId } = started.data;
  await client.waitFor(isStatus(sessionId, 'idle'));
  const { pid = 0 } = await createSteps(world).view(sessionId);
  return { sessionId, pid };
}

/** Gives a session of its own, whose child is up, a prompt. */
async function give(world: World, client: WireClient, ...steps: Step[]): Promise<Given> {
  const { sessionId, pid } = await open(world, client);
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
  return { sessionId, promptId: data.promptId, pid };
}

const isStatus =
  (sessionId: string, status: string) =>
  ({ type, data }: Frame): boolean =>
    type === 'sessionStatus' && data.sessionId === sessionId && data.status === status;

const isProgress =
  (sessionId: string, stage: string) =>
  ({ type, data }: Frame): boolean =>
    type === 'progress' && data.sessionId === sessionId && data.stage === stage;

const progressOf = (client: WireClient, sessionId: string): Frame[] =>
  client.frames.filter(({ type, data }) => type === 'progress' && data.sessionId === sessionId);

const errorsOf = (client: WireClient, sessionId: string): unknown[] =>
  client
    .events(sessionId)
    .filter(({ type }) => type === 'error')
    .map(({ data }) => data.message);

/** Its end, and how often it has ended. */
async function endOf(client: WireClient, { sessionId, promptId }: Given): Promise<Frame> {
  const end = await client.waitFor(isEndOf(promptId));
  await client.request('ping', {});
  expect(client.events(sessionId).filter(isEndOf(promptId))).toHaveLength(1);
  return end;
}

/** The next prompt of the session ends well, in the conversation that it had. */
async function goesOn(world: World, client: WireClient, sessionId: string, said?: string): Promise<void> {
  const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'It goes on.' }) });
  const end = await client.waitFor(isEndOf(next.data.promptId));
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'It goes on.' });
  if (said !== undefined) expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain(said);
}

describe('a child that says nothing for a minute', () => {
  const world = useWorld({ environment: { CLAUDE_PATH, ...hurry(countOf({ full: 4, fast: 20 })) } });

  test('runs a tool, waits for the API, or stands in the middle of a text: that is told; who waits for a person is let be', async () => {
    const client = await world.connect();
    const asks = await give(world, client, { tools: [{ name: 'Write', input: { file_path: 'a', content: 'b' } }] });
    await client.waitFor(isStatus(asks.sessionId, 'waiting'));
    const config = join(world.daemon.environment.HOME ?? '', '.claude.json');
    const mcpServer = join(import.meta.dirname, '../support/failing-server.mjs');
    const working = { type: 'stdio', command: process.execPath, args: [mcpServer, 'working'] };
    writeFileSync(config, JSON.stringify({ mcpServers: { working } }));
    const calls = await give(world, client, { tools: [{ name: 'mcp__working__wait', input: {} }] });
    writeFileSync(config, '{}');
    const cases = [
      [calls, 'tool', /^still running mcp__working__wait, [1-9]\d* min$/],
      [await give(world, client, { tools: [bash('tail -f /dev/null')] }), 'tool', /^still running Bash, [1-9]\d* min$/],
      [await give(world, client, { gate: 'slow' }), 'api', /^still waiting for the API, [1-9]\d* min$/],
      [
        await give(world, client, { text: 'One two three.', chunk: 4, gateAfter: { deltas: 2, gate: 'stuck' } }),
        'api',
        /^still waiting for the API, [1-9]\d* min$/,
      ],
    ] as const;
    for (const [{ sessionId }, stage, words] of cases) {
      const told = await client.waitFor(isProgress(sessionId, stage));
      expect(told.data.message).toMatch(words);
      expect(new Set(progressOf(client, sessionId).map(({ data }) => data.stage))).toEqual(new Set([stage]));
    }
    expect(progressOf(client, asks.sessionId)).toEqual([]);
    for (const { sessionId } of [asks, ...cases.map(([given]) => given)]) {
      await client.request('streamClose', { sessionId, reason: 'done' });
    }
  });

  test('H1, I1: and is stopped: it is said that it does not react; an interrupt replaces it, and nothing runs again', async () => {
    const client = await world.connect();
    const { mark, prompt } = marked({ text: 'Known before.' });
    const opened = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() }, mark);
    const { sessionId } = opened.data;
    await client.waitFor(isEndOf(opened.data.promptId));
    const { view, ranOnce } = createSteps(world);
    const { pid = 0 } = await view(sessionId);
    const hung = marked({ text: 'Never said.', gate: 'hung' });
    const { data } = await client.request('streamSend', { sessionId, prompt: hung.prompt }, hung.mark);
    await world.api.reached('hung');
    process.kill(pid, 'SIGSTOP');
    const told = await client.waitFor(isProgress(sessionId, 'unresponsive'));
    expect(told.data.message).toContain('does not react');
    expect(errorsOf(client, sessionId)).toEqual([]);
    await client.request('interrupt', { sessionId });
    const end = await endOf(client, { sessionId, promptId: data.promptId, pid });
    expect(end.data).toMatchObject({ subtype: 'interrupted', isError: true });
    expect(errorsOf(client, sessionId)).toEqual(['Claude did not react to the interrupt: it is started again.']);
    expect(isAlive(pid)).toBe(false);
    await goesOn(world, client, sessionId, 'Known before.');
    await ranOnce(sessionId, { mark: hung.mark, promptId: data.promptId });
    expect((await view(sessionId)).pid).not.toBe(pid);
  });

  test('I1: a prompt that a stopped child has not even read is over with the interrupt, and never runs', async () => {
    const client = await world.connect();
    const { sessionId, pid } = await createSteps(world).openSession(client);
    process.kill(pid, 'SIGSTOP');
    const { mark, prompt } = marked({ text: 'Never.' });
    const { data } = await client.request('streamSend', { sessionId, prompt }, mark);
    await client.request('interrupt', { sessionId });
    const end = await endOf(client, { sessionId, promptId: data.promptId, pid });
    expect(end.data).toMatchObject({ subtype: 'interrupted' });
    await goesOn(world, client, sessionId);
    expect(world.api.runs(mark)).toBe(0);
  });
});

describe('a child that is stopped in mid-turn and not interrupted', () => {
  const world = useWorld({ environment: { CLAUDE_PATH, ...hurry(50) } });

  test('H1: is replaced by itself in the end; its turn is over, and the conversation goes on', async () => {
    const client = await world.connect();
    const { sessionId, pid } = await createSteps(world).openSession(client);
    const hung = marked({ text: 'Never said.', gate: 'alone' });
    const { data } = await client.request('streamSend', { sessionId, prompt: hung.prompt }, hung.mark);
    await world.api.reached('alone');
    process.kill(pid, 'SIGSTOP');
    // Not by a connection, which in so much of a hurry is cut off when this process is busy for half a second.
    await waitUntil('its turn is over', async () => (await createSteps(world).view(sessionId)).status !== 'working');
    const end = await createSteps(world).ranOnce(sessionId, { mark: hung.mark, promptId: data.promptId });
    expect(end.data).toMatchObject({ subtype: 'child_exited', isError: true });
    const after = await world.connect();
    const cursors = { [sessionId]: { epoch: String(after.frames[0]?.data.epoch), seq: 0 } };
    await after.request('subscribe', { events: ['*'], cursors });
    await after.waitFor(({ type, data: { sessionId: id } }) => type === 'caughtUp' && id === sessionId);
    const [silence, ...others] = errorsOf(after, sessionId);
    expect(silence).toMatch(/^Claude has not reacted for 1[01] min: /);
    // A turn that was cut off so early may have left no transcript.
    for (const other of others) expect(other).toContain('has no transcript');
    expect(isAlive(pid)).toBe(false);
    await goesOn(world, after, sessionId);
  });
});

describe('an interrupt', () => {
  const world = useWorld({ environment: { CLAUDE_PATH } });

  let client: WireClient;
  let session: Omit<Given, 'promptId'>;
  beforeAll(async () => {
    client = await world.connect();
    session = await open(world, client);
  });

  const isWaiting = (frame: Frame) => isStatus(session.sessionId, 'waiting')(frame);
  const isText = ({ type, data }: Frame) => type === 'streamData' && data.sessionId === session.sessionId;
  /** The last: whether it is there, in the frames from a place on. */
  const states: [string, Step[], (from: number) => Promise<unknown>][] = [
    ['the API is slow', [{ gate: 'slow' }], () => world.api.reached('slow')],
    [
      'text streams',
      [{ text: 'Words and words.', chunk: 2, gateAfter: { deltas: 3, gate: 'text' } }],
      (from) => client.waitFor(isText, from),
    ],
    [
      'a tool runs',
      [{ tools: [bash('tail -f /dev/null')] }],
      () => waitUntil('the tool runs', () => world.daemon.sessionProcesses(session.sessionId).length > 1),
    ],
    [
      'two permissions are asked for',
      [{ tools: ['a', 'b'].map((file) => ({ name: 'Write', input: { file_path: `/tmp/${file}`, content: 'x' } })) }],
      (from) => client.waitFor(isWaiting, from),
    ],
    [
      'a task runs in the background',
      [{ tools: [bash('tail -f /dev/null', { run_in_background: true })] }, { gate: 'behind' }],
      () => world.api.reached('behind'),
    ],
    [
      'a subagent waits for a permission',
      [
        {
          tools: [
            {
              name: 'Agent',
              input: {
                description: 'x',
                prompt: scenario({ tools: [{ name: 'Write', input: { file_path: '/tmp/c', content: 'x' } }] }),
                subagent_type: 'general-purpose',
                run_in_background: false,
              },
            },
          ],
        },
      ],
      (from) => client.waitFor(isWaiting, from),
    ],
  ];

  test.each(states)('H1: while %s is taken up by the same child, and is no failure', async (_, steps, isThere) => {
    const { sessionId, pid } = session;
    const from = client.frames.length;
    const { data } = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
    await isThere(from);
    await client.request('interrupt', { sessionId });
    expect((await endOf(client, { sessionId, promptId: data.promptId, pid })).data).toMatchObject({
      subtype: 'interrupted',
    });
    await goesOn(world, client, sessionId);
    expect(errorsOf(client, sessionId)).toEqual([]);
    expect((await createSteps(world).view(sessionId)).pid).toBe(pid);
  });

  test('H1: while the child comes up is no failure either', async () => {
    const { view } = createSteps(world);
    const prompt = scenario({ text: 'Never said.', gate: 'never' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    const { sessionId, promptId } = data;
    await waitUntil('there is a child', async () => (await view(sessionId)).pid !== undefined);
    const { pid = 0 } = await view(sessionId);
    await client.request('interrupt', { sessionId });
    expect((await endOf(client, { sessionId, promptId, pid })).data).toMatchObject({ subtype: 'interrupted' });
    await goesOn(world, client, sessionId);
    expect(errorsOf(client, sessionId)).toEqual([]);
    expect((await view(sessionId)).pid).toBe(pid);
  });
});
