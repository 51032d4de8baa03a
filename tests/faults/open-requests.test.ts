/** Questions, plans and pages that wait for a person, while the daemon or their child is killed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

beforeAll(() => {
  const args = [join(import.meta.dirname, '../support/eliciting-server.mjs')];
  const mcpServers = { forms: { type: 'stdio', command: process.execPath, args } };
  writeFileSync(join(world.daemon.environment.HOME ?? '', '.claude.json'), JSON.stringify({ mcpServers }));
});

const options = ['Red', 'Blue'].map((label) => ({ label, description: label }));
const questions = [{ question: 'Which colour?', header: 'Colour', multiSelect: false, options }];
const page = { mode: 'url', message: 'Log in.', url: 'https://login.example/', elicitationId: 'e1' };

interface Kind {
  kind: string;
  tool: { name: string; input: object };
  answer: { response: string; answers?: Record<string, string>; message?: string };
  /** What Claude gets. */
  heard: string;
}

const KINDS: Kind[] = [
  {
    kind: 'question',
    tool: { name: 'AskUserQuestion', input: { questions } },
    answer: { response: 'allow', answers: { 'Which colour?': 'Green' } },
    heard: '"Which colour?"="Green"',
  },
  {
    kind: 'plan',
    tool: { name: 'ExitPlanMode', input: { plan: 'Write it.' } },
    // An approved plan would not be asked about again.
    answer: { response: 'deny', message: 'Test it first.' },
    heard: 'Test it first.',
  },
  {
    kind: 'elicitation',
    tool: { name: 'mcp__forms__ask', input: { params: [page] } },
    answer: { response: 'allow' },
    heard: 'answer: {"action":"accept"}',
  },
];

type Asked = Kind & { sessionId: string; promptId: string; permissionId: string };

const ofSession = (client: WireClient, type: string, sessionId: string, from = 0) =>
  client.waitFor((frame) => frame.type === type && (frame.sessionId ?? frame.data.sessionId) === sessionId, from);

/** Enough of them for what `--resume` puts between. */
const steps = ({ tool }: Kind) => scenario(...Array.from({ length: 5 }, () => ({ tools: [tool] })));

/** One session for each kind that the CLI asks: 2.1.197 refuses pages by itself. */
async function askAll(client: WireClient): Promise<Asked[]> {
  const all = KINDS.map(async (kind): Promise<Asked[]> => {
    const { data } = await client.request('streamStart', {
      prompt: steps(kind),
      workingDirectory: world.daemon.project(),
      options: { permissionMode: kind.kind === 'plan' ? 'plan' : 'default', allowedTools: ['mcp__forms__ask'] },
    });
    const { sessionId, promptId } = data;
    const isFirst = ({ type, data: { sessionId: id } }: Frame) =>
      ['permissionRequest', 'streamComplete'].includes(type) && id === sessionId;
    const first = await client.waitFor(isFirst);
    if (first.type === 'streamComplete' && kind.kind === 'elicitation') return [];
    expect(first.data.kind).toBe(kind.kind);
    return [{ ...kind, sessionId, promptId, permissionId: String(first.data.permissionId) }];
  });
  return (await Promise.all(all)).flat();
}

const isEndOf =
  (promptId: string) =>
  ({ type, data }: Frame): boolean =>
    type === 'streamComplete' && data.promptId === promptId;

const adoptions = (client: WireClient) =>
  client.events().filter(({ type, data }) => type === 'notice' && data.kind === 'adoption');

test('H2, I2: what waits for a person outlives the daemon, is answered once, and ends with its child', async () => {
  const before = await world.connect({ deviceId: 'phone' });
  const all = await askAll(before);
  const pids = all.map(({ sessionId }) => world.daemon.sessionProcesses(sessionId)[0]);
  await world.daemon.restart('SIGKILL');
  const client = await world.connect({ deviceId: 'phone' });
  await client.request('subscribe', { events: ['*'] });
  for (const { sessionId, permissionId, answer, heard, tool } of all) {
    const open = await ofSession(client, 'permissionRequest', sessionId);
    expect(open.data).toMatchObject({ permissionId, oneTap: false });
    const meant = { sessionId, permissionId, remember: false, ...answer };
    expect(await client.request('permission', meant)).toMatchObject({ type: 'permissionAccepted' });
    const late = await client.request('permission', { ...meant, response: 'deny' });
    expect(late.data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    const result = await ofSession(client, 'toolResult', sessionId);
    expect(result.data).toMatchObject({ toolName: tool.name });
    expect(String(result.data.result ?? result.data.error)).toContain(heard);
  }
  expect(all.map(({ sessionId }) => world.daemon.sessionProcesses(sessionId)[0])).toEqual(pids);
  expect(adoptions(client)).toEqual([]);

  // Each asks once more, and now loses its child.
  for (const { sessionId, promptId, permissionId, kind } of all) {
    const asksAnew = ({ type, data }: Frame, known: unknown[]) =>
      type === 'permissionRequest' && data.sessionId === sessionId && !known.includes(data.permissionId);
    const { data: second } = await client.waitFor((frame) => asksAnew(frame, [permissionId]));
    for (const pid of world.daemon.sessionProcesses(sessionId)) process.kill(pid, 'SIGKILL');
    const resolved = await client.waitFor(
      ({ type, data }) => type === 'permissionResolved' && data.permissionId === second.permissionId,
    );
    expect(resolved.data).toMatchObject({ decision: 'expired' });
    expect((await client.waitFor(isEndOf(promptId))).data).toMatchObject({ subtype: 'child_exited' });
    // A page waits within a tool that ran: nothing goes on by itself then.
    if (kind === 'elicitation') continue;
    const { data: third } = await client.waitFor((frame) => asksAnew(frame, [permissionId, second.permissionId]));
    expect(third).toMatchObject({ kind });
    await client.request('interrupt', { sessionId });
    const isCancelled = ({ type, data }: Frame) =>
      type === 'permissionResolved' && data.permissionId === third.permissionId;
    expect((await client.waitFor(isCancelled)).data).toMatchObject({ decision: 'cancelled' });
  }
});
