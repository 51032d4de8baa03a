/** Every command that takes the scope `prompt` alone, on the real CLI: what it changes outside of its conversation. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type PermissionsView, sessionViewSchema } from '../../protocol/rest.js';
import { HARMLESS_COMMANDS } from '../../protocol/slash-commands.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

/** What the CLI keeps of conversations, statistics and caches: nothing in there is obeyed. */
const KEPT =
  /^(projects|sessions|todos|tasks|debug|backups|usage-data|shell-snapshots|session-env|statsig|file-history)\/|^\.last-|cache/;

function filesIn(folder: string, isObeyed: (path: string) => boolean = () => true): Record<string, string> {
  if (!existsSync(folder)) return {};
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const shown = paths.map((path) => path.slice(folder.length + 1)).filter(isObeyed);
  return Object.fromEntries(shown.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}

async function permissionsOf(sessionId: string): Promise<PermissionsView> {
  let found: PermissionsView | undefined;
  await waitUntil('the child tells its rules', async () => {
    const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
    found = sessionViewSchema.strict().parse(await response.json()).permissions;
    return found?.rules !== undefined;
  });
  return found as PermissionsView;
}

describe('with settings of the person and the project', () => {
  let client: WireClient;
  let sessionId = '';
  let directory = '';
  const home = () => join(world.daemon.environment.HOME ?? '', '.claude');

  beforeAll(async () => {
    directory = world.daemon.project('harmless');
    mkdirSync(join(directory, '.claude'), { recursive: true });
    mkdirSync(home(), { recursive: true });
    writeFileSync(join(home(), 'settings.json'), JSON.stringify({ permissions: { deny: ['Bash(rm:*)'] } }));
    writeFileSync(join(directory, '.claude/settings.json'), JSON.stringify({ permissions: { ask: ['Bash(ls:*)'] } }));
    client = await world.connect();
    const prompt = scenario({ text: 'Open.' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: directory });
    ({ sessionId } = data);
    await client.waitFor((frame) => frame.type === 'streamComplete' && frame.sessionId === sessionId);
  });

  const seen = async () => ({
    home: filesIn(home(), (path) => !KEPT.test(path)),
    project: filesIn(directory),
    permissions: await permissionsOf(sessionId),
  });

  test('a session tells the mode, the rules and where the CLI has them from', async () => {
    expect(await permissionsOf(sessionId)).toEqual({
      mode: 'default',
      rules: expect.arrayContaining([
        { rule: 'Bash(rm:*)', behavior: 'deny', source: 'userSettings' },
        { rule: 'Bash(ls:*)', behavior: 'ask', source: 'projectSettings' },
      ]),
      directories: [],
    });
  });

  test.each([...HARMLESS_COMMANDS])('S1: /%s changes no settings, no rule and not the mode', async (name) => {
    const before = await seen();
    const command = { command: `/${name} permissionMode=acceptEdits`, projectPath: directory };
    expect((await client.request('claudeCommand', command)).type).toBe('claudeResponse');
    expect(await seen()).toEqual(before);
  });
});

test('a session tells the mode and the directories that hold after a person has changed them', async () => {
  const client = await world.connect();
  const prompt = scenario({ text: 'Open.' });
  const workingDirectory = world.daemon.project('changed');
  const options = { allowedTools: ['WebSearch'] };
  const { data } = await client.request('streamStart', { prompt, workingDirectory, options });
  const sessionId = data.sessionId as never;
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.sessionId === sessionId);
  const { rules } = await permissionsOf(sessionId);
  expect(rules).toContainEqual({ rule: 'WebSearch', behavior: 'allow', source: 'cliArg' });
  await client.request('setPermissionMode', { sessionId, mode: 'plan' });
  expect((await permissionsOf(sessionId)).mode).toBe('plan');
  await client.request('streamClose', { sessionId, reason: 'done' });
  await waitUntil('the child is gone', async () => {
    const response = await world.daemon.fetch(`/api/sessions/${data.sessionId}`);
    return sessionViewSchema.parse(await response.json()).permissions === undefined;
  });
});
