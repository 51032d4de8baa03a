/** What the real CLI says and does beside Claude's answers: what becomes `notice` and what becomes `progress`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const sharedDirectory = useSharedDirectory(world);
afterEach(() => world.disconnect());

/** Answers what `said` is, if the file is there, and removes it: a hook of one test is none of the others. */
const onceFor = (file: string, said: object) => `[ ! -e ${file} ] || { rm ${file}; echo '${JSON.stringify(said)}'; }`;
const hook = (command: string, matcher = '*') => ({ matcher, hooks: [{ type: 'command', command }] });

beforeAll(() => {
  const folder = join(world.daemon.environment.HOME ?? '', '.claude');
  mkdirSync(folder, { recursive: true });
  const hooks = {
    SessionStart: [hook(`echo '${JSON.stringify({ systemMessage: 'Hello at the start.' })}'`)],
    UserPromptSubmit: [hook(onceFor('sunday', { decision: 'block', reason: 'Not on a Sunday.' }))],
    PreToolUse: [
      hook('[ ! -e forbidden ] || { rm forbidden; echo "Not this command." >&2; exit 2; }', 'Bash'),
      hook(`echo '${JSON.stringify({ systemMessage: 'Mind the gap.' })}'`, 'Read'),
    ],
    PostToolUse: [hook('echo oops >&2; exit 3', 'Bash')],
    Stop: [hook(onceFor('unfinished', { decision: 'block', reason: 'Do the tests.' }))],
  };
  const permissions = { deny: ['Bash(rm *)'] };
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ hooks, permissions }));
});

const notices = (client: WireClient) => client.events().flatMap(({ type, data }) => (type === 'notice' ? [data] : []));

const texts = (client: WireClient): string[] =>
  client.events().flatMap(({ type, data }) => (type === 'assistantMessage' ? [data.content[0]?.text ?? ''] : []));

async function say(client: WireClient, directory: string, prompt: string): Promise<Frame> {
  const from = client.frames.length;
  await client.request('streamStart', { prompt, workingDirectory: directory, options: { allowedTools: ['Bash'] } });
  return client.waitFor('streamComplete', from);
}

const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'x' } });
const progressOf = (client: WireClient, stage: string): unknown[] =>
  client.frames.flatMap(({ type, data }) => (type === 'progress' && data.stage === stage ? [data.message] : []));

/** Known after the first turn. */
async function cliVersion(): Promise<unknown> {
  const other = await world.connect({ deviceId: 'other' });
  return (await other.waitFor('welcome')).data.claudeCodeVersion;
}

test('commands of the CLI answer once, and what they did to the conversation is kept', async () => {
  const client = await world.connect();
  const directory = await sharedDirectory();
  await say(client, directory, '/help');
  await say(client, directory, '/compact');
  expect(texts(client)).toEqual([expect.stringContaining('/help'), expect.stringContaining('Not enough messages')]);
  await say(client, directory, scenario({ text: 'Something to clear.' }));
  await say(client, directory, '/clear');
  await say(client, directory, scenario({ text: 'From the start.' }));
  // 2.1.197 writes no line for it (`conversation_reset`): there the new conversation tells it.
  const cleared = expect.objectContaining({ kind: 'cleared', level: 'info' });
  const clearings = (of: WireClient) => notices(of).filter(({ kind }) => kind === 'cleared');
  expect(clearings(client)).toEqual([cleared]);
  expect(texts(client)).toEqual([
    expect.stringContaining('/help'),
    expect.stringContaining('Not enough messages'),
    'Something to clear.',
    'From the start.',
  ]);
  await world.daemon.restart('SIGKILL');
  const again = await world.connect();
  await say(again, directory, '/clear');
  await say(again, directory, scenario({ text: 'And again.' }));
  expect(clearings(again)).toEqual([cleared]);
});

test('hooks speak to the person, and say why they block', async () => {
  const client = await world.connect();
  const directory = world.daemon.project();
  writeFileSync(join(directory, 'sunday'), '');
  await say(client, directory, scenario({ text: 'Never said.' }));
  expect(texts(client)).toEqual([]);
  expect(notices(client)).toContainEqual(
    expect.objectContaining({ kind: 'hook', message: expect.stringContaining('Hello at the start.') }),
  );
  expect(notices(client)).toContainEqual(
    expect.objectContaining({ kind: 'informational', message: expect.stringContaining('Not on a Sunday.') }),
  );
});

test('a hook that blocks a tool or the end of a turn is quoted', async () => {
  const client = await world.connect();
  const directory = await sharedDirectory();
  for (const file of ['forbidden', 'unfinished']) writeFileSync(join(directory, file), '');
  await say(client, directory, scenario({ tools: [bash('true')] }, { text: 'Done.' }));
  expect(client.events().find(({ type }) => type === 'toolResult')?.data).toMatchObject({
    success: false,
    error: expect.stringContaining('Not this command.'),
  });
  expect(notices(client)).toContainEqual(
    expect.objectContaining({ kind: 'hook', message: 'Stop hook feedback:\nDo the tests.' }),
  );
  expect(JSON.stringify(notices(client))).not.toContain('ctrl+');
});

test('hooks that run, end and fail are told', async () => {
  const client = await world.connect();
  await say(client, await sharedDirectory(), scenario({ tools: [bash('echo hi')] }, { text: 'Done.' }));
  expect(progressOf(client, 'hook').filter((message) => String(message).includes('ToolUse:'))).toEqual([
    'The hook PreToolUse:Bash runs.',
    'The hook PreToolUse:Bash has ended.',
    'The hook PostToolUse:Bash runs.',
    'The hook PostToolUse:Bash failed with exit code 3.',
  ]);
});

test('what a hook says to the person is said once', async () => {
  const client = await world.connect();
  const read = { name: 'Read', input: { file_path: 'nothing.txt' } };
  await say(client, await sharedDirectory(), scenario({ tools: [read] }, { text: 'Done.' }));
  // 2.1.197 says it only to its own terminal.
  const times = (await cliVersion()) === '2.1.197' ? 0 : 1;
  const told = notices(client).filter(({ message }) => String(message).includes('Mind the gap.'));
  expect(told).toHaveLength(times);
});

test('a tool that a rule denies is told', async () => {
  const client = await world.connect();
  await say(client, await sharedDirectory(), scenario({ tools: [bash('rm nothing')] }, { text: 'Done.' }));
  const denied = expect.stringMatching(/^Bash was denied\. .*rm nothing/);
  expect(progressOf(client, 'permission_denied')).toEqual([denied]);
  expect(notices(client).filter(({ kind }) => kind !== 'hook')).toEqual([
    expect.objectContaining({ kind: 'permission_denied', message: denied }),
  ]);
});
