/** What a version of the CLI lacks is not among the capabilities, and is refused with the version that has it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CLI_NEEDS } from '../../protocol/capabilities.js';
import type { ClientFrameType } from '../../protocol/client-frames.js';
import { errorDetailsSchema } from '../../protocol/error-codes.js';
import { sessionViewSchema } from '../../protocol/rest.js';
import { tasksSchema } from '../../protocol/tasks.js';
import { infoSchema } from '../../protocol/usage.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

interface Told {
  version: string;
  capabilities: string[];
}

const infoOf = async ({ daemon }: World) => infoSchema.parse(await (await daemon.fetch('/api/info')).json());

/** Of a new connection: what the daemon says of the CLI, over both transports. */
async function toldOf(world: World): Promise<Told> {
  // On a busy machine the CLI can take longer to say its version than a client waits for its welcome.
  await waitUntil('the CLI has said its version', async () => (await infoOf(world)).claudeCodeVersion !== 'unknown');
  const { data } = await (await world.connect()).waitFor('welcome');
  const info = await infoOf(world);
  expect(info).toMatchObject({ claudeCodeVersion: data.claudeCodeVersion, capabilities: data.capabilities });
  return { version: String(data.claudeCodeVersion), capabilities: info.capabilities };
}

const since = (capability: string): string | undefined => new Map(Object.entries(CLI_NEEDS)).get(capability)?.since;

/** Rules that are in effect for a session; undefined where its view has none. */
async function rulesOf({ daemon }: World, sessionId: unknown) {
  const view = sessionViewSchema.parse(await (await daemon.fetch(`/api/sessions/${String(sessionId)}`)).json());
  return view.permissions?.rules;
}

const isOneTask = ({ type, data }: Frame) => type === 'tasks' && tasksSchema.parse(data).tasks.length === 1;

type Row = [capability: string, frame: ClientFrameType, data: Record<string, unknown>];

/** Sends the frames, and expects each to be served, or refused for its version, as `told` says. */
async function expectServed(client: WireClient, { capabilities }: Told, rows: readonly Row[]): Promise<void> {
  for (const [capability, frame, data] of rows) {
    const { type, data: answered } = await client.request(frame, data as never);
    const refused = { frame, code: 'CLAUDE_UNAVAILABLE', rule: `needs Claude Code ${since(capability)} or later` };
    const { rule } = errorDetailsSchema.catch({}).parse(answered.details);
    const seen = { frame, code: type === 'error' ? answered.code : undefined, rule };
    if (capabilities.includes(capability)) expect(seen).not.toMatchObject({ code: refused.code });
    else expect(seen).toEqual(refused);
  }
}

/** Every frame that asks the CLI, or changes it. */
const rowsOf = ({ sessionId, promptId, taskId, directory }: Record<string, string>): Row[] => [
  ['sessionCapabilities', 'sessionCapabilities', { sessionId }],
  ['suggestFiles', 'suggestFiles', { sessionId, query: '' }],
  ['contextUsage', 'contextUsage', { sessionId }],
  ['sideQuestion', 'sideQuestion', { sessionId, question: 'Why?' }],
  ['setEffort', 'setEffort', { sessionId, effort: 'low' }],
  ['setThinking', 'setThinking', { sessionId, maxTokens: 2000 }],
  ['addDirectory', 'addDirectory', { sessionId, directory }],
  ['permissions', 'setPermissionMode', { sessionId, mode: 'plan' }],
  ['queue', 'clearQueue', { sessionId }],
  ['rewind', 'rewind', { sessionId, promptId, what: 'both', dryRun: true }],
  ['tasks', 'backgroundTask', { sessionId }],
  ['taskOutput', 'getTaskOutput', { sessionId, taskId }],
  ['tasks', 'stopTask', { sessionId, taskId }],
];

describe('the CLI of the tests', () => {
  const world = useWorld();

  test('serves every frame of its capabilities, and refuses the others with the version that has them', async () => {
    const told = await toldOf(world);
    const lacking = Object.keys(CLI_NEEDS).filter((capability) => !told.capabilities.includes(capability));
    expect(lacking).toEqual(told.version === '2.1.197' ? ['taskOutput', 'permissionRules'] : []);
    const client = await world.connect();
    const input = { command: 'until [ -e go ]; do sleep 0.05; done', description: 'Wait', run_in_background: true };
    const workingDirectory = world.daemon.project();
    writeFileSync(join(workingDirectory, 'file'), '');
    const started = await client.request('streamStart', {
      prompt: scenario({ tools: [{ name: 'Bash', input }] }, { text: 'Started.' }),
      workingDirectory,
      options: { allowedTools: ['Bash'] },
    });
    const { sessionId, promptId } = started.data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    const listed = await client.waitFor(isOneTask);
    const taskId = tasksSchema.parse(listed.data).tasks[0]?.taskId ?? '';
    const directory = mkdtempSync(join(world.daemon.root, 'other-'));
    const rows = rowsOf({ sessionId, promptId, taskId, directory });
    await expectServed(client, told, rows);
    // What is part of an answer is left out of it.
    const parts = { permissionRules: (await rulesOf(world, sessionId)) !== undefined };
    for (const [part, isThere] of Object.entries(parts)) expect(told.capabilities.includes(part)).toBe(isThere);
    const seen = [...rows.map(([capability]) => capability), ...Object.keys(parts)];
    expect(Object.keys(CLI_NEEDS).filter((needed) => !seen.includes(needed))).toEqual([]);
  });
});

describe('an older CLI', () => {
  const world = useWorld({
    environment: {
      CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs'),
      FAKE_CLI_VERSION: '2.1.197',
    },
  });

  test('lacks what came later: it is left out of the capabilities, and refused with the version that has it', async () => {
    const told = await toldOf(world);
    expect(told.version).toBe('2.1.197');
    expect(Object.keys(CLI_NEEDS).filter((capability) => told.capabilities.includes(capability))).toEqual([]);
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    for (const { request } of Object.values(CLI_NEEDS)) writeFileSync(join(workingDirectory, `unknown-${request}`), '');
    const tasks = [{ task_id: 'b1', task_type: 'local_bash', description: 'Wait' }];
    const prompt = JSON.stringify([
      { line: { type: 'system', subtype: 'background_tasks_changed', tasks } },
      { result: 'ok' },
    ]);
    const { sessionId } = (await client.request('streamStart', { prompt, workingDirectory })).data;
    await client.waitFor(isOneTask);
    await expectServed(client, told, [['taskOutput', 'getTaskOutput', { sessionId, taskId: 'b1' }]]);
    expect(await rulesOf(world, sessionId)).toBeUndefined();
  });
});
