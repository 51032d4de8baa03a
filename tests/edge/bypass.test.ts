/** `ALLOW_BYPASS` where the CLI refuses it. */
import { describe, expect, test } from '@jest/globals';
import { healthSchema } from '../../protocol/rest.js';
import { cliBypassProblem } from '../../services/claude/cli/cli-arguments.js';
import { useWorld } from '../support/world.js';

test.each([
  [{}, 0, true],
  [{ IS_SANDBOX: '0' }, 0, true],
  [{ IS_SANDBOX: '1' }, 0, false],
  [{ CLAUDE_CODE_BUBBLEWRAP: '1' }, 0, false],
  [{}, 1000, false],
])('the CLI with %j, as user %s, refuses the mode: %s', (environment, uid, isRefused) => {
  expect(cliBypassProblem(environment, uid) !== undefined).toBe(isRefused);
});

const isRoot = process.getuid?.() === 0;
describe('as root', () => {
  const world = useWorld({ environment: { ALLOW_BYPASS: 'true', CLAUDE_PERMISSION_MODE: 'bypassPermissions' } });

  test('sessions work, the mode is refused with the reason of the CLI, and health says so', async () => {
    if (!isRoot) return expect(process.env.REQUIRE_ROOT).not.toBe('1');
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const rule = expect.stringContaining('as root');
    const refused = {
      type: 'error',
      data: { code: 'PERMISSION_DENIED', details: { field: 'options.permissionMode', rule } },
    };
    const options = { permissionMode: 'bypassPermissions' as const };
    expect(await client.request('streamStart', { prompt: 'Hello?', workingDirectory, options })).toMatchObject(refused);
    const { data } = await client.request('streamStart', { prompt: 'Hello?', workingDirectory });
    expect((await client.waitFor('streamComplete')).data).toMatchObject({ isError: false });
    const set = await client.request('setPermissionMode', {
      sessionId: data.sessionId as never,
      mode: 'bypassPermissions',
    });
    expect(set).toMatchObject({ type: 'error', data: { code: 'PERMISSION_DENIED', details: { field: 'mode', rule } } });
    const health = healthSchema.parse(await (await world.daemon.fetch('/health')).json());
    expect(health).toMatchObject({ status: 'degraded', checks: { claude: 'bypass refused' } });
    expect(health.remedies?.claude).toContain('IS_SANDBOX=1');
  });
});

describe('as root in a sandbox', () => {
  const world = useWorld({ environment: { ALLOW_BYPASS: 'true', IS_SANDBOX: '1' } });

  test('the mode can be had, at the start and later', async () => {
    if (!isRoot) return expect(process.env.REQUIRE_ROOT).not.toBe('1');
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const { data } = await client.request('streamStart', { prompt: 'Hello?', workingDirectory });
    await client.waitFor('streamComplete');
    const set = await client.request('setPermissionMode', {
      sessionId: data.sessionId as never,
      mode: 'bypassPermissions',
    });
    expect(set).toMatchObject({ type: 'sessionStatus', data: { permissionMode: 'bypassPermissions' } });
  });
});
