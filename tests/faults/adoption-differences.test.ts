/** A real CLI that waits for other answers, or runs other tasks, than the record says when a daemon adopts it. */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const bash = (command: string, more: object = {}) => ({
  name: 'Bash',
  input: { command, description: 'Touch it', ...more },
});
const outputOf = (sessionId: string) => join(world.daemon.home, 'run', sessionId, 'stdout.jsonl');

/** The line of the output that has this in it, and where it begins. */
function lineWith(sessionId: string, what: string): { at: number; line: string } | undefined {
  const output = readFileSync(outputOf(sessionId), 'utf8');
  const found = output.indexOf(what);
  if (found < 0) return undefined;
  const start = output.lastIndexOf('\n', found) + 1;
  return { at: Buffer.byteLength(output.slice(0, start)), line: output.slice(start).split('\n')[0] ?? '' };
}

/** What a full disk does: the line and all that follows it are not in the file. */
async function loseFrom(sessionId: string, what: string): Promise<void> {
  await waitUntil(`it says ${what}`, () => lineWith(sessionId, what) !== undefined);
  truncateSync(outputOf(sessionId), lineWith(sessionId, what)?.at);
}

/** As if another program held the input of the child. */
function answerBehind(sessionId: string, requestId: string, response: object): void {
  const path = join(world.daemon.home, 'run', sessionId, 'stdin');
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const answer = { subtype: 'success', request_id: requestId, response };
  writeSync(descriptor, `${JSON.stringify({ type: 'control_response', response: answer })}\n`);
  closeSync(descriptor);
}

async function open(client: WireClient, ...steps: Parameters<typeof scenario>) {
  const directory = world.daemon.project();
  const { data } = await client.request('streamStart', {
    prompt: scenario(...steps),
    workingDirectory: directory,
    options: { allowedTools: ['Bash(until *)'] },
  });
  return { sessionId: data.sessionId, directory };
}

const follow = async () => {
  const client = await world.connect();
  const epoch = String((await client.waitFor('welcome')).data.epoch);
  return {
    client,
    read: (sessionId: string) =>
      client.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } }),
  };
};

const differences = (client: WireClient) =>
  client
    .events()
    .flatMap(({ type, data }) => (type === 'notice' && data.kind === 'adoption' ? [String(data.message)] : []));
const isOf =
  (type: string, sessionId: string) =>
  (frame: Frame): boolean =>
    frame.type === type && (frame.sessionId ?? frame.data.sessionId) === sessionId;

describe('after an adoption', () => {
  test('a request that was answered behind the daemon is withdrawn and told, and one that it never read is asked and told', async () => {
    const before = await world.connect();
    const answered = await open(before, { tools: [bash('touch made')] }, { text: 'Made.' });
    const { data: request } = await before.waitFor(isOf('permissionRequest', answered.sessionId));
    const unread = await open(before, { tools: [bash('touch made')], gate: 'ask' }, { text: 'Made as well.' });
    await world.api.reached('ask');
    await world.daemon.kill('SIGKILL');

    const asked = JSON.parse(lineWith(answered.sessionId, '"can_use_tool"')?.line ?? '') as {
      request_id: string;
      request: { input: object };
    };
    answerBehind(answered.sessionId, asked.request_id, { behavior: 'allow', updatedInput: asked.request.input });
    await waitUntil('its tool has run', () => existsSync(join(answered.directory, 'made')));
    world.api.release('ask');
    await loseFrom(unread.sessionId, '"can_use_tool"');
    await world.daemon.start();

    const { client, read } = await follow();
    await read(answered.sessionId);
    await read(unread.sessionId);
    const resolved = await client.waitFor(isOf('permissionResolved', answered.sessionId));
    expect(resolved.data).toMatchObject({ permissionId: request.permissionId, decision: 'cancelled' });
    expect((await client.waitFor(isOf('streamComplete', answered.sessionId))).data.finalResult).toBe('Made.');
    const { sessionId } = answered;
    const late = { sessionId, permissionId: request.permissionId, response: 'allow', remember: false };
    expect((await client.request('permission', late)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });

    const { data: found } = await client.waitFor(isOf('permissionRequest', unread.sessionId));
    expect(found).toMatchObject({ toolName: 'Bash', toolInput: { command: 'touch made' } });
    await client.waitFor(isOf('notice', unread.sessionId));
    expect(differences(client).sort()).toEqual([
      'The Claude CLI that outlived the daemon has got an answer that is not in the record to a request: Allow Bash: Touch it?',
      'The Claude CLI that outlived the daemon waits for an answer to a request that was not recorded: Bash',
    ]);
    const { permissionId } = found;
    await client.request('permission', {
      sessionId: unread.sessionId,
      permissionId,
      response: 'allow',
      remember: false,
    });
    expect((await client.waitFor(isOf('streamComplete', unread.sessionId))).data.finalResult).toBe('Made as well.');
    expect(existsSync(join(unread.directory, 'made'))).toBe(true);
    const log = readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8');
    expect(differences(client).filter((message) => !log.includes(message))).toEqual([]);
  });

  test('the tasks that the CLI runs replace the recorded ones, and what differs is told', async () => {
    const before = await world.connect();
    const shell = bash('until [ -e go ]; do sleep 0.05; done', { run_in_background: true });
    const { sessionId, directory } = await open(
      before,
      { tools: [shell], gate: 'begin' },
      { text: 'Begun.', gate: 'begun' },
      { text: 'Over.', gate: 'over' },
    );
    await world.api.reached('begin');
    const { claudeCodeVersion } = (await (await world.connect()).waitFor('welcome')).data;
    // 2.1.197 lists no tasks after `initialize`.
    if (claudeCodeVersion === '2.1.197') {
      for (const gate of ['begin', 'begun', 'over']) world.api.release(gate);
      return;
    }
    const tasks = async () =>
      ((await (await world.daemon.fetch(`/api/sessions/${sessionId}/tasks`)).json()) as { tasks: unknown[] }).tasks;
    await world.daemon.kill('SIGKILL');
    world.api.release('begin');
    await world.api.reached('begun');
    await loseFrom(sessionId, 'local_bash');
    await world.daemon.start();
    const first = await follow();
    await first.read(sessionId);
    await first.client.waitFor(isOf('notice', sessionId));
    expect(await tasks()).toMatchObject([{ kind: 'shell', status: 'running' }]);
    world.api.release('begun');
    await first.client.waitFor(isOf('streamComplete', sessionId));

    await world.daemon.kill('SIGKILL');
    const { size } = statSync(outputOf(sessionId));
    writeFileSync(join(directory, 'go'), '');
    await world.api.reached('over');
    truncateSync(outputOf(sessionId), size);
    await world.daemon.start();
    const second = await follow();
    await second.read(sessionId);
    await second.client.waitFor(() => differences(second.client).length === 2);
    expect(await tasks()).toEqual([]);
    world.api.release('over');
    await second.client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Over.');
    expect(differences(second.client)).toEqual([
      'The Claude CLI that outlived the daemon runs tasks that were not recorded: 1',
      'The Claude CLI that outlived the daemon no longer runs tasks that were recorded: 1',
    ]);
  });
});
