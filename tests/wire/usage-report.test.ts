/** What is told of the account and its limits on request: over REST, and on the command line. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { runCli } from '../../cli/run-cli.js';
import { infoSchema, usageLimitsSchema } from '../../protocol/usage.js';
import { inHours, iso, limitHeaders, refusal, SUBSCRIBED } from '../support/rate-limits.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld, type World } from '../support/world.js';

const RESET = inHours(2);

const limits = async ({ daemon }: World) =>
  usageLimitsSchema.parse(await (await daemon.fetch('/api/usage/limits')).json());
const info = async ({ daemon }: World) => infoSchema.parse(await (await daemon.fetch('/api/info')).json());

/** What a command writes for a person at a terminal. */
async function printed({ daemon }: World, ...args: string[]): Promise<string> {
  const said: string[] = [];
  const output = { columns: 80, write: (text: string) => said.push(text) };
  const io = { stdin: Object.assign(new PassThrough(), { isTTY: false }), stdout: output, stderr: output };
  await runCli({ args, io: { ...io, onInterrupt: () => () => {} } as never, home: daemon.home });
  return said.join('');
}

/** Runs a turn of these steps to its end. */
async function runTurn(world: World, ...steps: Parameters<typeof scenario>) {
  const client = await world.connect();
  const workingDirectory = world.daemon.project();
  const { data } = await client.request('streamStart', { prompt: scenario(...steps), workingDirectory });
  await client.waitFor('streamComplete');
  return { client, sessionId: data.sessionId };
}

/** As after `/login`; the token is nobody's. */
function logIn({ daemon }: World): void {
  const folder = join(String(daemon.environment.HOME), '.claude');
  mkdirSync(folder, { recursive: true });
  const claudeAiOauth = {
    accessToken: 'sk-ant-oat01-secret-access',
    refreshToken: 'sk-ant-ort01-secret-refresh',
    expiresAt: Date.now() + 86_400_000,
    scopes: ['user:inference', 'user:profile'],
    subscriptionType: 'max',
  };
  writeFileSync(join(folder, '.credentials.json'), JSON.stringify({ claudeAiOauth }));
}

describe('a login with a subscription', () => {
  const world = useWorld({ environment: { ANTHROPIC_API_KEY: '' } });

  test('nothing is known before a session has run; then all windows are, across a restart, and no secret', async () => {
    logIn(world);
    expect(await limits(world)).toEqual({ windows: [] });
    expect((await info(world)).account).toBeUndefined();
    expect(await printed(world, 'doctor')).toContain('account: not known until a session has run');
    await runTurn(world, { text: 'Said.', headers: limitHeaders({ status: 'allowed', used: 0.314, reset: RESET }) });
    const account = { kind: 'subscription', plan: 'Claude Max' };
    const known = {
      account,
      status: 'allowed',
      window: 'five_hour',
      utilization: 0.31,
      resetsAt: iso(RESET),
      windows: expect.arrayContaining([
        { window: 'five_hour', utilization: 0.31, resetsAt: iso(RESET) },
        { window: 'seven_day', utilization: 0.12, resetsAt: iso(RESET + 86_400) },
      ]),
    };
    expect(await limits(world)).toMatchObject(known);
    await world.daemon.restart('SIGKILL');
    expect(await limits(world)).toMatchObject(known);
    const told = await info(world);
    expect(told).toMatchObject({ version: expect.any(String), capabilities: expect.arrayContaining(['ask']), account });
    const status = await printed(world, 'status');
    expect(status).toMatch(/^ {2}account: subscription \(Claude Max\)$/m);
    expect(status).toMatch(/^ {2}five hour {2}█{6}░{14} {2}31 %, resets \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/m);
    expect(status).toMatch(/^ {2}seven day {2}█{2}░{18} {2}12 %/m);
    expect(await printed(world, 'doctor')).toContain('account: subscription (Claude Max)');
    expect(JSON.stringify([told, await limits(world), status])).not.toMatch(/sk-ant|secret/);
  });
});

describe('a token of a subscription', () => {
  const world = useWorld({ environment: SUBSCRIBED });

  test('is one; a limit that is reached is shown as such', async () => {
    await runTurn(world, refusal({ reset: RESET }));
    expect(await limits(world)).toMatchObject({ account: { kind: 'subscription' }, status: 'rejected' });
    expect(await printed(world, 'status')).toMatch(/five hour {2}.*used up, resets /);
  });
});

describe('other accounts', () => {
  const key = useWorld();
  const cloud = useWorld({
    environment: {
      ANTHROPIC_API_KEY: '',
      CLAUDE_CODE_USE_BEDROCK: '1',
      AWS_ACCESS_KEY_ID: 'key-id',
      AWS_SECRET_ACCESS_KEY: 'secret-of-the-cloud',
      AWS_REGION: 'us-east-1',
    },
  });

  test.each([
    ['an API key', key, { kind: 'apiKey' }, 'API key'],
    ['a cloud provider', cloud, { kind: 'cloud', provider: 'bedrock' }, 'cloud provider (bedrock)'],
  ])('%s is named, and has no windows', async (_, world, account, words) => {
    const client = await world.connect();
    await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    expect((await info(world)).account).toEqual(account);
    expect(await limits(world)).toEqual({ account, windows: [] });
    const doctor = await printed(world, 'doctor');
    expect(doctor).toContain(`account: ${words}`);
    expect(doctor).not.toMatch(/sk-ant|secret/);
  });
});
