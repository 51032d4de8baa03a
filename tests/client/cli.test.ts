import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { localSocketPath } from '../../config/local-socket-path.js';
import { VERSION } from '../../config/version.js';
import { createCliStage, RoughTurn } from './support/cli-stage.js';
import { idle } from './support/rough-server.js';
import { until } from './support/until.js';

const stage = createCliStage();

async function ask(args: string[] = [], terminal: { isTTY?: boolean } = {}) {
  const server = await stage.startDaemon();
  const run = stage.run(['ask', 'How are you?', '--dir', '/w', ...args], terminal);
  return { run, server, ...(await RoughTurn.begin(server)) };
}

describe('ask', () => {
  test('shows the answer on stdout as it comes, and the tools beside it', async () => {
    const { run, turn, start } = await ask(['--model', 'opus', '--new']);
    expect(start).toEqual({
      prompt: 'How are you?',
      workingDirectory: '/w',
      options: { model: 'opus', preserveContext: false },
    });
    turn.delta(0, 'I am ');
    await until('the first words are shown', () => run.stdout() === 'I am ');
    turn.delta(5, 'fine.');
    turn.message('I am fine.');
    turn.tool({ command: 'ls -la' }, { success: true });
    turn.tool({ command: 'false' }, { success: false, error: 'exit code 1' });
    turn.complete({ finalResult: 'I am fine.' });
    await turn.end();
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('I am fine.\n');
    expect(run.stderr()).toBe('> Bash ls -la\n  Bash ok\n> Bash false\n  Bash failed: exit code 1\n');
  });

  test('with --new and --keep-remembered keeps what was remembered, and refuses the second alone', async () => {
    const { run, turn, start } = await ask(['--new', '--keep-remembered']);
    expect(start).toMatchObject({ options: { preserveContext: false, keepRemembered: true } });
    turn.complete({ finalResult: 'Done.' });
    await turn.end();
    expect(await run.exitCode).toBe(0);
    const refused = stage.run(['ask', 'Hello', '--keep-remembered']);
    expect(await refused.exitCode).toBe(1);
    expect(refused.stderr()).toContain('--keep-remembered needs --new');
  });

  test('with --json prints one document, and nothing else on stdout', async () => {
    const { run, turn } = await ask(['--json']);
    turn.delta(0, 'I am fine.');
    turn.message('I am fine.');
    turn.complete({ finalResult: 'fine.' });
    await turn.end();
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe(`${JSON.stringify(JSON.parse(run.stdout()))}\n`);
    expect(JSON.parse(run.stdout())).toEqual({
      sessionId: 's',
      promptId: 'p',
      subtype: 'success',
      isError: false,
      result: 'I am fine.',
      cost: 0.01,
      durationMs: 1200,
    });
  });

  test('nothing from the model or a tool can steer the terminal', async () => {
    const { run, turn } = await ask();
    const hostile = '\u001b]0;title\u0007\u001b[2J\u009b1A\rx';
    turn.delta(0, hostile);
    turn.tool({ command: hostile }, { success: false, error: hostile });
    turn.permission({ prompt: hostile });
    await turn.permissionAnswer();
    turn.say('error', { sessionId: 's', code: 'INTERNAL_ERROR', message: hostile });
    turn.complete({ isError: true, subtype: hostile });
    await turn.end();
    await run.exitCode;
    expect(run.stdout() + run.stderr()).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  test('leaves with 1 when the turn failed', async () => {
    const { run, turn } = await ask();
    turn.complete({ isError: true, subtype: 'api_error', finalResult: 'API Error: 500' });
    await turn.end();
    expect(await run.exitCode).toBe(1);
    expect(run.stdout()).toBe('API Error: 500\n');
    expect(run.stderr()).toBe('The turn failed: api_error.\n');
  });

  test('leaves with 1 and the daemon’s words when the prompt is not taken', async () => {
    const server = await stage.startDaemon();
    const run = stage.run(['ask', 'hi', '--json']);
    const connection = await server.connection(1);
    connection.welcome();
    const details = { field: 'workingDirectory', suggestion: 'Add the folder.' };
    const error = { code: 'PERMISSION_DENIED', message: 'must lie within the roots', details };
    connection.answer(await connection.take('streamStart'), 'error', error);
    expect(await run.exitCode).toBe(1);
    expect(JSON.parse(run.stdout())).toEqual({ error });
  });

  test.each([[[]], [['--json']]])(
    'leaves with 2 and says how to start it when no daemon answers: %j',
    async (flags) => {
      const run = stage.run(['ask', 'hi', ...flags]);
      expect(await run.exitCode).toBe(2);
      expect(run.stdout() + run.stderr()).toContain(`Start it with: COMPANION_HOME=${stage.home()} npm start`);
      if (flags.length > 0) expect(JSON.parse(run.stdout())).toMatchObject({ error: { code: 'NO_DAEMON' } });
    },
  );

  test('goes on where it was when the daemon restarts in mid-turn', async () => {
    const { run, server, turn } = await ask();
    turn.delta(0, 'I am ');
    await until('the first words are shown', () => run.stdout() === 'I am ');
    turn.connection.close(1012);
    const second = await server.connection(2);
    const resumed = { sessionId: 's', resume: 'replay', from: 1, head: 2 } as const;
    second.welcome({ resumed: [resumed] });
    second.subscribed(await second.take('subscribe'), [resumed]);
    const again = new RoughTurn(second);
    again.say('humanMessage', { messageId: 'h', content: [], deviceId: 'd', promptId: 'p' });
    again.message('I am fine.');
    again.complete({ finalResult: 'I am fine.' });
    await again.end();
    expect(await run.exitCode).toBe(0);
    expect(run.stdout().replaceAll('\n', '')).toBe('I am fine.');
    expect(run.stderr()).toBe('The connection was lost. Trying again.\nConnected again.\n');
  });

  test('says that the API is asked again, once for each try, and what a turn has cost', async () => {
    const { run, turn } = await ask([], { isTTY: true });
    const retry = (message: string) =>
      turn.connection.frame('progress', {
        sessionId: 's',
        stage: 'api_retry',
        message,
        timestamp: '2025-01-01T00:00:00.000Z',
      });
    for (const message of ['The API is asked again (1 of 10).', 'The API is asked again (2 of 10).']) {
      retry(message);
      retry(message);
    }
    turn.complete({ cost: 0.0018679999999, duration: 4200 });
    await turn.end();
    expect(await run.exitCode).toBe(0);
    expect(run.stderr().match(/The API is asked again \(\d of 10\)\.\n/g)).toHaveLength(2);
    expect(run.stderr()).toMatch(/\$0\.0019, 4 s\n$/);
  });

  test('a pipe on which nothing comes is not waited for', async () => {
    const server = await stage.startDaemon();
    const run = stage.run(['ask', 'hi', '--json'], { silent: true });
    const connection = await server.connection(1);
    connection.welcome();
    const start = await connection.take('streamStart');
    expect(start.data.prompt).toBe('hi');
    expect(run.stderr()).toContain('Nothing came on stdin within 3 s; asking without it.');
    connection.answer(start, 'error', { code: 'CAPACITY', message: 'Full.' });
    expect(await run.exitCode).toBe(1);
  });

  test('a turn whose end is lost with the daemon’s record is not waited for', async () => {
    const { run, turn } = await ask();
    turn.connection.reset({ head: 9 });
    await turn.end();
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toBe('The turn failed: lost.\n');
  });

  test('a prompt that waits shows nothing of the turns before it', async () => {
    const server = await stage.startDaemon();
    const run = stage.run(['ask', 'hi']);
    const connection = await server.connection(1);
    connection.welcome();
    const started = { sessionId: 's', workingDirectory: '/w', reused: true, promptId: 'p' };
    connection.answer(await connection.take('streamStart'), 'streamStarted', started);
    const turn = new RoughTurn(connection);
    turn.message('another answer');
    turn.permission();
    turn.complete({ promptId: 'other' });
    turn.say('humanMessage', { messageId: 'h', content: [], deviceId: 'd', promptId: 'p' });
    turn.complete({ finalResult: 'mine' });
    await turn.end();
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('mine\n');
    expect(connection.received.filter(({ type }) => type === 'permission')).toEqual([]);
  });

  test('a prompt whose session is closed before it began is over', async () => {
    const server = await stage.startDaemon();
    const run = stage.run(['ask', 'hi', '--json']);
    const connection = await server.connection(1);
    connection.welcome();
    const started = { sessionId: 's', workingDirectory: '/w', reused: true, promptId: 'p' };
    connection.answer(await connection.take('streamStart'), 'streamStarted', started);
    const turn = new RoughTurn(connection);
    turn.say('sessionStatus', { ...idle('s'), status: 'closed' });
    await turn.end();
    expect(await run.exitCode).toBe(1);
    expect(JSON.parse(run.stdout())).toMatchObject({ subtype: 'cancelled', isError: true });
  });
});

describe('permissions', () => {
  test('are answered by one key', async () => {
    const { run, turn } = await ask([], { isTTY: true });
    turn.permission({ options: ['allow', 'deny', 'always'] });
    await until('the key is read', run.isRaw);
    // Typed before the question could be read.
    run.press('n');
    const answer = pressUntil(run, 'a', () => turn.permissionAnswer());
    expect(await answer).toEqual({ sessionId: 's', permissionId: 'perm', response: 'always', remember: true });
    expect(run.isRaw()).toBe(false);
    expect(run.stderr()).toContain(
      'Allow Bash?\nls\n  [y] yes\n  [n] no (or Enter)\n  [r] no, and tell Claude why\n  [a] always',
    );
    turn.complete();
    await turn.end();
    expect(await run.exitCode).toBe(0);
  });

  test('are no longer asked for when another device has answered', async () => {
    const { run, turn } = await ask([], { isTTY: true });
    turn.permission();
    await until('the key is read', run.isRaw);
    turn.say('permissionResolved', { permissionId: 'perm', sessionId: 's', decision: 'deny', byDeviceId: 'phone' });
    await until('the key is no longer read', () => !run.isRaw());
    turn.permission();
    turn.complete();
    await turn.end();
    await run.exitCode;
    expect(run.stderr().match(/Allow Bash/g)).toHaveLength(1);
  });

  test('are denied with a reason when no person is at the terminal', async () => {
    const { run, turn } = await ask();
    turn.permission();
    expect(await turn.permissionAnswer()).toMatchObject({
      response: 'deny',
      message: expect.stringContaining('--yes'),
    });
    turn.complete();
    await turn.end();
    expect(await run.exitCode).toBe(0);
  });

  test('are given with --yes', async () => {
    const { run, turn } = await ask(['--yes'], { isTTY: true });
    turn.permission();
    expect(await turn.permissionAnswer()).toMatchObject({ response: 'allow', remember: false });
    turn.complete();
    await turn.end();
    expect(await run.exitCode).toBe(0);
  });

  test('that were open before the connection are asked for as well', async () => {
    const { turn, run } = await ask(['--yes']);
    const asked = { permissionId: 'perm', sessionId: 's', kind: 'tool', toolName: 'Bash', toolInput: {} };
    const offered = {
      prompt: 'Allow?',
      options: ['allow', 'deny'],
      default: 'deny',
      defaultOption: 'deny',
      timeout: 0,
    };
    turn.connection.frame('permissionRequest', { ...asked, ...offered });
    expect(await turn.permissionAnswer()).toMatchObject({ permissionId: 'perm', response: 'allow' });
    turn.complete();
    await turn.end();
    await run.exitCode;
  });
});

describe('Ctrl-C', () => {
  test('interrupts the turn', async () => {
    const { run, turn } = await ask();
    turn.delta(0, 'I am');
    await until('the first words are shown', () => run.stdout() !== '');
    run.interrupt();
    const request = await turn.connection.take('cancelPrompt');
    expect(request.data).toEqual({ promptId: 'p' });
    turn.connection.answer(request, 'promptCancelled', { promptId: 'p', was: 'processing' });
    turn.complete({ subtype: 'interrupted', isError: true, finalResult: '' });
    await turn.end();
    expect(await run.exitCode).toBe(130);
    expect(run.stderr()).toContain('The turn was interrupted.\n');
    expect(run.stdout()).toBe('I am\n');
  });

  test('interrupts the turn while a key is read', async () => {
    const { run, turn } = await ask([], { isTTY: true });
    turn.permission();
    await until('the key is read', run.isRaw);
    run.press('\u0003');
    const request = await turn.connection.take('cancelPrompt');
    turn.connection.answer(request, 'promptCancelled', { promptId: 'p', was: 'processing' });
    turn.say('permissionResolved', { permissionId: 'perm', sessionId: 's', decision: 'cancelled' });
    turn.complete({ subtype: 'interrupted', isError: true });
    await turn.end();
    expect(await run.exitCode).toBe(130);
    expect(run.isRaw()).toBe(false);
  });

  test('takes back a prompt that has not begun', async () => {
    const server = await stage.startDaemon();
    const run = stage.run(['ask', 'hi']);
    const connection = await server.connection(1);
    connection.welcome();
    const started = { sessionId: 's', workingDirectory: '/w', reused: true, promptId: 'p' };
    connection.answer(await connection.take('streamStart'), 'streamStarted', started);
    await connection.take('subscribe');
    run.interrupt();
    const request = await connection.take('cancelPrompt');
    connection.answer(request, 'promptCancelled', { promptId: 'p', was: 'queued' });
    await new RoughTurn(connection).end();
    expect(await run.exitCode).toBe(130);
    expect(run.stderr()).toContain('The prompt was cancelled before it began.');
  });

  test('that comes as the turn ends changes nothing', async () => {
    const { run, turn } = await ask();
    turn.delta(0, 'I am fine.');
    await until('the words are shown', () => run.stdout() !== '');
    run.interrupt();
    const request = await turn.connection.take('cancelPrompt');
    turn.connection.answer(request, 'error', { code: 'CONFLICT', message: 'The prompt has already ended.' });
    turn.delta(10, ' And you?');
    await until('the last words are shown', () => run.stdout().includes('And you?'));
    turn.complete();
    await turn.end();
    expect(await run.exitCode).toBe(0);
  });

  test('pressed twice leaves at once', async () => {
    const { run, turn } = await ask();
    turn.delta(0, 'I am');
    await until('the first words are shown', () => run.stdout() !== '');
    run.interrupt();
    run.interrupt();
    await turn.end();
    expect(await run.exitCode).toBe(130);
  });
});

/** Keys are not heard for a moment after a question appears: what was typed before it is no answer to it. */
async function pressUntil<T>(run: { press(key: string): void }, key: string, answer: () => Promise<T>): Promise<T> {
  let done = false;
  const answered = answer().finally(() => {
    done = true;
  });
  await until('the key was heard', () => {
    if (!done) run.press(key);
    return done;
  });
  return answered;
}

const view = {
  id: 's1',
  sessionId: 's1',
  workingDirectory: '/w\n/x',
  projectPath: '/w',
  projectName: 'w',
  sessionName: 'na\u001b[2Jme',
  status: 'waiting',
  isWorking: true,
  queueDepth: 2,
  openPermissions: 1,
  messageCount: 3,
  totalCost: 0.5,
  createdAt: '2025-01-01T00:00:00.000Z',
  updatedAt: '2025-01-01T00:00:00.000Z',
  lastActivity: '2025-01-01T00:00:00.000Z',
};
const sessions = { sessions: [view], total: 1, limit: 1000, offset: 0 };
const health = {
  status: 'healthy',
  ok: true,
  version: '1.0.0',
  timestamp: '2025-01-01T00:00:00.000Z',
  uptime_seconds: 12.4,
  claudeCodeAvailable: true,
  active_sessions: 2,
  checks: { database: 'ok', claude: 'ok', memory: 'ok', disk: 'ok', push: 'off' },
};

describe('the other commands', () => {
  test.each([
    [['sessions'], sessions, 'GET', '/api/sessions?limit=1000', ''],
    [['push', 'log'], { deliveries: [], total: 0 }, 'GET', '/api/push-notifications/deliveries?limit=100', ''],
    [['close', 'a/b'], view, 'DELETE', '/api/sessions/a%2Fb', ''],
    [['token'], { token: 'new-token' }, 'POST', '/local/token', '{}'],
    [['stop'], { children: 1 }, 'POST', '/local/stop', '{"all":false}'],
    [['stop', '--all'], { children: 2 }, 'POST', '/local/stop', '{"all":true}'],
  ])('%j --json asks the daemon and prints its answer', async (args, body, method, path, sent) => {
    await stage.startDaemon();
    stage.answerWith(200, body);
    const run = stage.run([...args, '--json']);
    expect(await run.exitCode).toBe(0);
    expect(stage.calls).toEqual([{ method, path, body: sent }]);
    expect(run.stdout()).toBe(`${JSON.stringify(body)}\n`);
    expect(run.stderr()).toBe('');
  });

  test.each([
    [['sessions'], { ...sessions, sessions: [] }, 'No sessions.\n'],
    [['push', 'log'], { deliveries: [], total: 0 }, 'No pushes.\n'],
    [['token'], { token: 'new-token' }, 'new-token\n'],
    [['stop'], { children: 1 }, 'The daemon stops. 1 Claude session runs on, and its next start continues with it.\n'],
    [['stop', '--all'], { children: 2 }, 'The daemon stops. 2 Claude sessions ended with it.\n'],
    [['stop'], { children: 0 }, 'The daemon stops. No Claude session was running.\n'],
  ])('%j says it in words', async (args, body, text) => {
    await stage.startDaemon();
    stage.answerWith(200, body);
    const run = stage.run(args);
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe(text);
  });

  test('sessions shows each session in one row of columns, and what is not known as such', async () => {
    const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
    const costly = {
      ...view,
      statusSince: ago(2.5 * 3_600_000),
      pid: 4711,
      memoryBytes: 204_800_000,
      uptimeSeconds: 190,
    };
    const old = { ...view, sessionId: 's-2', status: 'hibernated', queueDepth: 0, openPermissions: 0 };
    const fresh = { ...costly, sessionId: 's3', statusSince: ago(-60_000), uptimeSeconds: 90, openPermissions: 0 };
    await stage.startDaemon();
    stage.answerWith(200, { ...sessions, sessions: [costly, old, fresh] });
    const run = stage.run(['sessions']);
    expect(await run.exitCode).toBe(0);
    expect(run.stdout().split('\n')).toEqual([
      'SESSION  STATUS      FOR  PID   MEMORY   UPTIME  QUEUED  DIRECTORY',
      's1       waiting     2 h  4711  195 MiB  3 min   2       /w /x "name" 1 waiting for an answer',
      's-2      hibernated  -    -     -        -       0       /w /x "name"',
      's3       waiting     0 s  4711  195 MiB  90 s    2       /w /x "name"',
      '',
    ]);
  });

  test('status --json asks also for what a daemon before did not know, and prints its answer', async () => {
    await stage.startDaemon();
    stage.answerWith(200, health);
    const run = stage.run(['status', '--json']);
    expect(await run.exitCode).toBe(0);
    expect(stage.calls.map(({ path }) => path.split('?')[0])).toEqual(
      expect.arrayContaining(['/health', '/api/waiting', '/api/usage']),
    );
    expect(run.stdout()).toBe(`${JSON.stringify(health)}\n`);
    expect(run.stderr()).toBe('');
  });

  test('status leaves with 1 when the daemon is unhealthy, and says what to do', async () => {
    await stage.startDaemon();
    stage.answerWith(503, { ...health, status: 'unhealthy', ok: false, remedies: { claude: 'Install the CLI.' } });
    const run = stage.run(['status']);
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toContain('Install the CLI.');
  });

  test('doctor lists what was looked at with what to do, and leaves with 1 when something is not well', async () => {
    const alone = stage.run(['doctor']);
    expect(await alone.exitCode).toBe(1);
    expect(alone.stderr()).toMatch(/^!! {2}daemon: not running\n +Start it with: COMPANION_HOME=\S+ npm start$/m);
    await stage.startDaemon();
    stage.answerWith(200, { ...health, remedies: { push: 'Check NTFY_TOKEN.' } });
    const run = stage.run(['doctor']);
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toMatch(/^!! {2}push: \w+\n +Check NTFY_TOKEN\.$/m);
    stage.answerWith(200, { ...health, version: VERSION });
    const well = stage.run(['doctor', '--json']);
    expect(await well.exitCode).toBe(0);
    expect(JSON.parse(well.stdout())).toMatchObject({
      ok: true,
      checks: expect.arrayContaining([{ name: 'settings', ok: true, verdict: 'ok' }]),
    });
  });

  test('the daemon’s error is the document of a failed command', async () => {
    await stage.startDaemon();
    const error = { code: 'SESSION_NOT_FOUND', message: 'There is no such session.' };
    stage.answerWith(404, { error: { ...error, status: 404, requestId: 'r' } });
    const run = stage.run(['close', 'gone', '--json']);
    expect(await run.exitCode).toBe(1);
    expect(JSON.parse(run.stdout())).toEqual({ error });
  });

  test.each(['sessions', 'status', 'token', 'stop'])('%s leaves with 2 when no daemon answers', async (command) => {
    const run = stage.run([command, '--json']);
    expect(await run.exitCode).toBe(2);
    expect(JSON.parse(run.stdout())).toMatchObject({ error: { code: 'NO_DAEMON' } });
  });

  test('a home with a very long path is found as well', async () => {
    stage.moveHome();
    await stage.startDaemon();
    stage.answerWith(200, sessions);
    expect(await stage.run(['sessions']).exitCode).toBe(0);
  });

  test('S1: a socket in a folder that others can write is not spoken to', async () => {
    stage.moveHome();
    const folder = dirname(localSocketPath(stage.home()));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o777);
    try {
      const run = stage.run(['users', 'add', 'ann@example.org', '--password-stdin']);
      expect(await run.exitCode).toBe(1);
      expect(run.stderr()).toContain('must belong to you and be closed to other users');
    } finally {
      chmodSync(folder, 0o700);
    }
  });

  test('wrong usage is explained on stderr', async () => {
    const run = stage.run(['ask']);
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toContain('prompt');
    expect(run.stdout()).toBe('');
  });
});

describe('an id of an older daemon that begins with a dash', () => {
  test('is refused with the way to write it, and taken behind --', async () => {
    const refused = stage.run(['close', '-Pl98SmnYlrDBP_8OSWI9']);
    expect(await refused.exitCode).toBe(1);
    expect(refused.stderr()).toContain('Write an id that begins with a dash last, after --.');
    const taken = stage.run(['close', '--', '-Pl98SmnYlrDBP_8OSWI9']);
    expect(await taken.exitCode).toBe(2);
    expect(taken.stderr()).not.toContain('unknown option');
  });
});
