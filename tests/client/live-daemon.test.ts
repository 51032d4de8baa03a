import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type CompanionClient, createCompanionClient, createTokenRenewer, TextAssembler } from '../../client/index.js';
import { localSocketPath } from '../../config/local-socket-path.js';
import { askLocally, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { listenTo } from './support/rough-stage.js';
import { until } from './support/until.js';

const world = useWorld();
const clients: CompanionClient[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

const connect = () => {
  const client = createCompanionClient({
    socketPath: localSocketPath(world.daemon.home),
    reconnect: { minMs: 10, maxMs: 100 },
  });
  clients.push(client);
  return listenTo(client);
};

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');

/** A command as a process of its own, without a terminal. */
async function companion(args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...world.daemon.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    written.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    written.stderr += chunk.toString();
  });
  const [exitCode] = (await once(child, 'close')) as [number];
  return { ...written, exitCode };
}

describe('the client and a real daemon', () => {
  test('H2, D3, I1: a daemon that is killed in mid-turn loses and repeats nothing', async () => {
    const { client, told, seqs } = connect();
    const assembler = new TextAssembler(() => undefined);
    client.on('frame', ({ type, data }) => {
      if (type === 'streamData') assembler.delta(data);
    });
    client.on('event', ({ type, data }) => {
      if (type === 'assistantMessage') assembler.message(data);
    });
    const text = 'Every word of this must arrive, and none of it twice. '.repeat(10);
    const prompt = scenario({ text, chunk: 10, gateAfter: { deltas: 5, gate: 'killed' } });
    const { promptId, sessionId } = await client.streamStart({ prompt, workingDirectory: world.daemon.project() });
    await client.subscribe({ events: ['*'], sessionIds: [sessionId] });
    await world.api.reached('killed');
    await until('some of it has come', () => told.frames.some(({ type }) => type === 'streamData'));
    await world.daemon.restart('SIGKILL');
    const sent = client.streamSend({ sessionId, prompt: 'And one more.' });
    world.api.release('killed');
    const second = await sent;
    const ends = () => told.events.flatMap((event) => (event.type === 'streamComplete' ? [event.data] : []));
    await until('both turns are over', () => ends().length === 2);
    expect(ends().map((end) => [end.promptId, end.subtype])).toEqual([
      [promptId, 'success'],
      [second.promptId, 'success'],
    ]);
    expect(ends()[0]?.finalResult).toBe(text);
    expect(seqs()).toEqual(seqs().map((_, index) => index + 1));
    const [message] = told.events.flatMap((event) => (event.type === 'assistantMessage' ? [event.data] : []));
    expect(assembler.text(message?.messageId ?? '', message?.blockIndex ?? 0)).toBe(text);
    expect(told.faults).toEqual([]);
  });

  const revoke = (deviceId: string) => askLocally(world.daemon, 'DELETE', `/local/devices/${deviceId}`);
  const url = () => `${world.daemon.url.replace('http', 'ws')}/ws`;
  const keep = (client: CompanionClient) => {
    clients.push(client);
    return listenTo(client);
  };

  test('S1: a device that is revoked is out, whether or not it could renew its token', async () => {
    const grants = [await pairDevice(world.daemon), await pairDevice(world.daemon)] as const;
    const saves = [() => Promise.reject(new Error('disk full')), async () => undefined];
    const renewToken = createTokenRenewer({
      url: url(),
      refreshToken: grants[1].refreshToken,
      save: () => saves.shift()?.() as Promise<void>,
    });
    // The answer is lost and got again, which the daemon must not take for a thief's doing.
    await expect(renewToken()).rejects.toThrow('disk full');
    const token = await renewToken();
    const plain = keep(createCompanionClient({ url: url(), token: grants[0].accessToken }));
    const renewing = keep(createCompanionClient({ url: url(), token, renewToken }));
    for (const [nth, { client }] of [plain, renewing].entries()) {
      await until('the client is open', () => client.state.kind === 'open');
      expect(client.deviceId).toBe(grants[nth]?.deviceId);
    }
    for (const { deviceId } of grants) await revoke(deviceId);
    for (const { client } of [plain, renewing]) {
      await until('the client has given up', () => client.state.kind === 'closed');
      expect(client.state).toMatchObject({ error: { reason: 'revoked' } });
    }
    expect(plain.told.faults).toEqual([]);
    expect(renewing.told.faults).toMatchObject([{ kind: 'renewal', error: { reason: 'unauthorized' } }]);
  });

  test('the command asks, and prints its answer', async () => {
    const dir = world.daemon.project('asked');
    const plain = await companion(['ask', scenario({ text: 'Seven.' }), '--dir', dir]);
    expect(plain).toEqual({ stdout: 'Seven.\n', stderr: '', exitCode: 0 });
    const json = await companion(['ask', scenario({ text: 'Eight.' }), '--dir', dir, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ subtype: 'success', isError: false, result: 'Eight.' });
  });

  test('the command denies what no person can be asked for, and allows it with --yes', async () => {
    const dir = world.daemon.project('asked');
    const tools = [{ name: 'Bash', input: { command: 'touch made', description: 'Make a file' } }];
    const denied = await companion(['ask', scenario({ tools }, { text: 'No.' }), '--dir', dir]);
    expect(denied).toMatchObject({ stdout: 'No.\n', exitCode: 0 });
    expect(denied.stderr).toContain(
      'Bash failed: No terminal is there to ask a person, so the answer is no. Run the command in a terminal, or with --yes.',
    );
    const allowed = await companion(['ask', scenario({ tools }, { text: 'Yes.' }), '--dir', dir, '--yes']);
    expect(allowed).toMatchObject({ stdout: 'Yes.\n', exitCode: 0 });
    expect(allowed.stderr).toContain('> Bash touch made');
    expect(allowed.stderr).toContain('  Bash ok');
  });

  test('the other commands reach it', async () => {
    const status = JSON.parse((await companion(['status', '--json'])).stdout) as { ok: boolean };
    expect(status.ok).toBe(true);
    const { sessions } = JSON.parse((await companion(['sessions', '--json'])).stdout) as { sessions: { id: string }[] };
    const closed = await companion(['close', sessions[0]?.id ?? '', '--json']);
    expect(JSON.parse(closed.stdout)).toMatchObject({ id: sessions[0]?.id });
  });
});
