/** What the CLI says to a person beside Claude's answers, with the real one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const notices = (client: WireClient) => client.events().flatMap(({ type, data }) => (type === 'notice' ? [data] : []));

const texts = (client: WireClient): string[] =>
  client.events().flatMap(({ type, data }) => (type === 'assistantMessage' ? [data.content[0]?.text ?? ''] : []));

async function say(client: WireClient, directory: string, prompt: string): Promise<Frame> {
  const from = client.frames.length;
  await client.request('streamStart', { prompt, workingDirectory: directory, options: { allowedTools: ['Bash'] } });
  return client.waitFor('streamComplete', from);
}

test('commands of the CLI answer once, and what they did to the conversation is kept', async () => {
  const client = await world.connect();
  const directory = world.daemon.project();
  await say(client, directory, '/help');
  await say(client, directory, '/compact');
  expect(texts(client)).toEqual([expect.stringContaining('/help'), expect.stringContaining('Not enough messages')]);
  await say(client, directory, scenario({ text: 'Something to clear.' }));
  await say(client, directory, '/clear');
  expect(notices(client)).toContainEqual(expect.objectContaining({ kind: 'cleared', level: 'info' }));
  await say(client, directory, scenario({ text: 'Anew.' }));
  expect(texts(client)).toEqual([
    expect.stringContaining('/help'),
    expect.stringContaining('Not enough messages'),
    'Something to clear.',
    'Anew.',
  ]);
});

test('hooks speak to the person, and say why they block', async () => {
  const home = join(world.daemon.environment.HOME ?? '', '.claude');
  const print = (said: object) => ({ hooks: [{ type: 'command', command: `echo '${JSON.stringify(said)}'` }] });
  mkdirSync(home, { recursive: true });
  const settings = join(home, 'settings.json');
  const hooks = {
    SessionStart: [print({ systemMessage: 'Hello at the start.' })],
    UserPromptSubmit: [print({ decision: 'block', reason: 'Not on a Sunday.' })],
  };
  writeFileSync(settings, JSON.stringify({ hooks }));
  const client = await world.connect();
  await say(client, world.daemon.project(), scenario({ text: 'Never said.' }));
  writeFileSync(settings, '{}');
  expect(texts(client)).toEqual([]);
  expect(notices(client)).toContainEqual(
    expect.objectContaining({ kind: 'hook', message: expect.stringContaining('Hello at the start.') }),
  );
  expect(notices(client)).toContainEqual(
    expect.objectContaining({ kind: 'informational', message: expect.stringContaining('Not on a Sunday.') }),
  );
});

test('a hook that blocks a tool or the end of a turn is quoted', async () => {
  const home = join(world.daemon.environment.HOME ?? '', '.claude');
  const hook = (command: string) => ({ hooks: [{ type: 'command', command }] });
  mkdirSync(home, { recursive: true });
  const settings = join(home, 'settings.json');
  const hooks = {
    PreToolUse: [{ matcher: 'Bash', ...hook('echo "Not this command." >&2; exit 2') }],
    Stop: [hook(`[ -e stopped ] || { touch stopped; echo '{"decision":"block","reason":"Do the tests."}'; }`)],
  };
  writeFileSync(settings, JSON.stringify({ hooks }));
  const client = await world.connect();
  const tools = [{ name: 'Bash', input: { command: 'true', description: 'x' } }];
  await say(client, world.daemon.project(), scenario({ tools }, { text: 'Done.' }));
  writeFileSync(settings, '{}');
  expect(client.events().find(({ type }) => type === 'toolResult')?.data).toMatchObject({
    success: false,
    error: expect.stringContaining('Not this command.'),
  });
  expect(notices(client)).toContainEqual(
    expect.objectContaining({ kind: 'hook', message: 'Stop hook feedback:\nDo the tests.' }),
  );
  expect(JSON.stringify(notices(client))).not.toContain('ctrl+');
});
