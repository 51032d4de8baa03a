/** Commands of the CLI that come as prompts: which scope they take, by every way a prompt can come. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { GrantView } from '../../protocol/auth.js';
import { HARMLESS_COMMANDS, needOfCommand } from '../../protocol/slash-commands.js';
import { addUser, askOver, bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const ATTACK = '/config permissionMode=acceptEdits';
const ANN = 'ann@example.org';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const settingsFile = () => join(world.daemon.environment.HOME ?? '', '.claude/settings.json');
const connectAs = ({ accessToken }: GrantView) => connect(world.daemon, bearerOf(accessToken));

let prompter: GrantView;

beforeAll(async () => {
  await addUser(world.daemon, ANN);
  prompter = await pairDevice(world.daemon, { user: ANN, scopes: ['read', 'prompt'] });
});

type Way = (client: WireClient, text: string, place: { sessionId: never; directory: string }) => Promise<Frame>;

const WAYS: [name: string, field: string, way: Way][] = [
  [
    'claudeCommand',
    'command',
    (client, command, { directory }) => client.request('claudeCommand', { command, projectPath: directory }),
  ],
  [
    'claudeCommand in a session',
    'command',
    (client, command, { sessionId, directory }) =>
      client.request('claudeCommand', { command, projectPath: directory, sessionId }),
  ],
  [
    'streamStart',
    'prompt',
    (client, prompt, { directory }) => client.request('streamStart', { prompt, workingDirectory: directory }),
  ],
  ['streamSend', 'prompt', (client, prompt, { sessionId }) => client.request('streamSend', { prompt, sessionId })],
  [
    'streamSend with mode steer',
    'prompt',
    (client, prompt, { sessionId }) => client.request('streamSend', { prompt, sessionId, mode: 'steer' }),
  ],
  [
    'streamSend with an image',
    'prompt',
    (client, prompt, { sessionId }) =>
      client.request('streamSend', { prompt, sessionId, attachments: [{ mediaType: 'image/png', data: PIXEL }] }),
  ],
  ['ask', 'prompt', (client, prompt) => client.request('ask', { prompt })],
  [
    'ask in a directory',
    'prompt',
    (client, prompt, { directory }) => client.request('ask', { prompt, workingDirectory: directory }),
  ],
];

describe('with the scope prompt alone', () => {
  let client: WireClient;
  let place: { sessionId: never; directory: string };

  beforeAll(async () => {
    client = await connectAs(prompter);
    const directory = world.daemon.project('anns');
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory: directory });
    place = { sessionId: data.sessionId as never, directory };
  });

  test.each(WAYS)('S1: a command that changes settings is refused by way of %s', async (_name, field, way) => {
    expect(await way(client, ATTACK, place)).toMatchObject({
      type: 'error',
      data: {
        code: 'PERMISSION_DENIED',
        details: { field, rule: 'must have a credential with the scope admin for the command /config' },
      },
    });
    expect(existsSync(settingsFile())).toBe(false);
  });

  test('S1: after every refused try the next session of the owner asks before Bash runs', async () => {
    const owner = await world.connect();
    const prompt = scenario({ tools: [{ name: 'Bash', input: { command: 'touch unasked', description: 'x' } }] });
    const directory = world.daemon.project('owners');
    const { data } = await owner.request('streamStart', { prompt, workingDirectory: directory });
    await owner.waitFor((frame) => frame.type === 'permissionRequest' && frame.sessionId === data.sessionId);
    expect(existsSync(join(directory, 'unasked'))).toBe(false);
    await owner.request('interrupt', { sessionId: data.sessionId as never });
    await owner.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  });

  test('a command that only shows something is run', async () => {
    const { data } = await client.request('claudeCommand', { command: '/context', projectPath: place.directory });
    expect(data).toMatchObject({ success: true, content: expect.stringContaining('Context Usage') });
  });

  test('a slash within a prompt is text', async () => {
    const { type } = await client.request('streamSend', { prompt: 'read\n/etc/hosts', sessionId: place.sessionId });
    expect(type).toBe('promptAccepted');
  });
});

test('S1: a mode that the settings of the CLI name is not taken: each child is told its mode', async () => {
  mkdirSync(dirname(settingsFile()), { recursive: true });
  const owner = await world.connect();
  const directory = world.daemon.project('owners');
  const { data } = await owner.request('claudeCommand', { command: ATTACK, projectPath: directory });
  expect(data.success).toBe(true);
  expect(JSON.parse(readFileSync(settingsFile(), 'utf8'))).toMatchObject({
    permissions: { defaultMode: 'acceptEdits' },
  });
  const prompt = scenario({ tools: [{ name: 'Write', input: { file_path: join(directory, 'a.txt'), content: 'x' } }] });
  const next = await owner.request('streamStart', { prompt, workingDirectory: world.daemon.project('next') });
  const init = await owner.waitFor((frame) => frame.type === 'systemInit' && frame.sessionId === next.data.sessionId);
  expect(init.data.permissionMode).toBe('default');
  await owner.waitFor((frame) => frame.type === 'permissionRequest' && frame.sessionId === next.data.sessionId);
  await owner.request('streamClose', { sessionId: next.data.sessionId as never, reason: 'done' });
  const { body } = await askOver(world.daemon, 'GET', `/api/sessions/${next.data.sessionId}`, bearerTokenOf());
  expect(body.permissionMode).toBe('default');
});

const bearerTokenOf = () => ({ token: world.daemon.environment.AUTH_TOKEN ?? '' });

test.each([
  '/config',
  '/CONFIG',
  '/Settings a=b',
  ' /config',
  '\n\t/config x',
  '\u00a0/config',
  '\u200b\ufeff/config',
  '\u2060/config',
  '\uff0fconfig',
  '/ｃonfig',
  '/config\u3000a=b',
  '/config\u200b',
  '/permissions',
  '/hooks',
  '/mcp',
  '/plugin install x',
  '/login',
  '/logout',
  '/model opus',
  '/update-config allow Bash',
  '/config\n/clear',
])('S1: %j takes the scope admin', (text) => {
  expect(needOfCommand(text)?.scope).toBe('admin');
});

test.each([
  '/add-dir /etc',
  '/deploy',
  '/frontend:component',
  '/mcp__server__prompt',
  '/server:tool (MCP)',
  '/Clear',
  ' /clear',
  '/clear2',
  '/clear/x',
  '//clear',
  '/',
  '/ clear',
  '/init',
  '/a-command-of-tomorrow',
  '/constructor',
  '/__proto__',
  '/usr/bin/env',
])('S1: %j takes the scope approve', (text) => {
  expect(needOfCommand(text)?.scope).toBe('approve');
});

test.each([...HARMLESS_COMMANDS].flatMap((name) => [`/${name}`, `/${name} with words`, `/${name}\nwith words`]))(
  '%j takes the scope prompt',
  (text) => {
    expect(needOfCommand(text)?.scope).toBe('prompt');
  },
);

test.each([
  '',
  ' ',
  'hello',
  'a /config',
  'a\n/config',
  '!touch x',
  '# remember',
  '@/etc/hosts',
  '\\/config',
  '.',
  '-/config',
])('%j is no command', (text) => {
  expect(needOfCommand(text)).toBeUndefined();
});
