/** What a person does with a session from terminals: the commands against the real daemon and the real CLI. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Waiting, waitingSchema } from '../../protocol/waiting.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { type CliRun, runInTerminal, type TerminalOptions } from './support/cli-run.js';
import { until } from './support/until.js';

const world = useWorld();
const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');

const children: ChildProcess[] = [];
/** The folder whose session serves the tests that need no fresh one: each leaves it idle. */
let dir: string;
beforeAll(() => {
  dir = world.daemon.project('shared');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  if ((await waiting()).length > 0) await terminal(['cancel', '--dir', dir, '--all'], {}).exitCode;
  await waitUntil('nothing waits', async () => (await waiting()).length === 0);
});

const terminal = (args: string[], options: TerminalOptions = { isTTY: true }): CliRun =>
  runInTerminal({ ...options, args, home: world.daemon.home });

/** A command whose process can be killed. */
function inProcess(args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...world.daemon.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  return { child, exited, stderr: () => stderr };
}

async function waiting(): Promise<Waiting['sessions']> {
  return waitingSchema.parse(await (await world.daemon.fetch('/api/waiting')).json()).sessions;
}

const tool = (command: string) => ({ tools: [{ name: 'Bash', input: { command, description: 'Touch it' } }] });

let made = 0;
/** A phone asks to make a file, which waits for an answer, and its prompt runs. */
async function openRequest(workingDirectory = dir) {
  const phone = await world.connect();
  made += 1;
  const file = join(workingDirectory, `made-${made}`);
  const prompt = scenario(tool(`touch made-${made}`), { text: 'The first is done.' });
  const { data } = await phone.request('streamStart', { prompt, workingDirectory });
  const { data: request } = await phone.waitFor(
    (frame) => frame.type === 'permissionRequest' && frame.data.sessionId === data.sessionId,
  );
  return { phone, file, sessionId: data.sessionId, promptId: data.promptId, permissionId: request.permissionId };
}

/** Keys are not heard for a moment after a question appears. */
const pressUntil = (run: CliRun, key: string, isHeard: () => boolean) =>
  until(`${key} was heard`, () => {
    if (!isHeard()) run.press(key);
    return isHeard();
  });

const readsKey = (run: CliRun) => until(`a key is read: ${run.stderr()}`, run.isRaw);

describe('a question whose terminal is gone', () => {
  test('is said by the next ask at once, can be answered there, and then the prompt runs', async () => {
    const { file } = await openRequest();
    const run = terminal(['ask', scenario({ text: 'The second is done.' }), '--dir', dir]);
    await readsKey(run);
    expect(run.stderr()).toMatch(/Another prompt runs in this folder: “.+” \(sent \d+ s ago\)\. Yours is next\./);
    expect(run.stderr()).toContain('An earlier prompt in this folder waits for an answer.');
    expect(run.stderr()).toContain('Allow Bash: Touch it?\ntouch made-');
    await pressUntil(run, 'y', () => run.stderr().includes('  yes'));
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('The second is done.\n');
    expect(existsSync(file)).toBe(true);
  });

  test('is not answered where no person can be asked: the command says what would answer it', async () => {
    const { permissionId, file } = await openRequest();
    const run = terminal(['ask', scenario({ text: 'Second.' }), '--dir', dir, '--yes'], {});
    const command = `COMPANION_HOME=${world.daemon.home} npm run companion -- answer ${permissionId}`;
    await until('the command is shown', () => run.stderr().includes(command));
    expect((await waiting()).flatMap(({ permissions }) => permissions)).toMatchObject([{ permissionId }]);
    const answer = terminal(['answer', permissionId, 'deny', '--message', 'Not that file.', '--json'], {});
    expect(await answer.exitCode).toBe(0);
    expect(JSON.parse(answer.stdout())).toMatchObject({ permissionId, decision: 'deny' });
    expect(await run.exitCode).toBe(0);
    expect(existsSync(file)).toBe(false);
  });
});

describe('a prompt that waits and whose terminal is gone', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('is taken back on %s, which leaves with %d', async (signal, code) => {
    const { promptId, phone, sessionId } = await openRequest();
    const queued = inProcess(['ask', scenario({ text: 'Never.' }), '--dir', dir]);
    await waitUntil('it waits', () => queued.stderr().includes('Yours is next.'));
    queued.child.kill(signal);
    expect(await queued.exited).toBe(code);
    expect((await waiting())[0]?.prompts).toMatchObject([{ promptId }]);
    await phone.request('interrupt', { sessionId });
  });

  test('is named by the next ask, which cancels it by one key', async () => {
    const { phone, sessionId, permissionId } = await openRequest();
    const prompt = scenario({ text: 'Never.' });
    const killed = inProcess(['ask', prompt, '--dir', dir]);
    await waitUntil('it waits', () => killed.stderr().includes('Yours is next.'));
    killed.child.kill('SIGKILL');
    await killed.exited;
    await waitUntil('its connection is gone', async () =>
      (await waiting()).some(({ prompts }) => prompts.some(({ deviceConnected }) => !deviceConnected)),
    );
    const run = terminal(['ask', scenario({ text: 'Mine.' }), '--dir', dir]);
    await readsKey(run);
    expect(run.stderr()).toContain('and 1 prompt waits before yours.');
    // The open request of the phone is asked for first.
    await phone.request('permission', { sessionId, permissionId, response: 'deny', remember: false });
    await until('the next question is there', () =>
      run.stderr().includes('has left, and that prompt runs before yours'),
    );
    await pressUntil(run, 'c', () => run.stderr().includes('Cancelled.') || run.stdout() !== '');
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('Mine.\n');
  });
});

describe('waiting, answer and cancel', () => {
  test('list what waits with the commands that end it, and end it', async () => {
    const { phone, sessionId, permissionId, promptId } = await openRequest();
    const { data: second } = await phone.request('streamSend', { sessionId, prompt: scenario({ text: 'Two.' }) });
    const list = terminal(['waiting']);
    expect(await list.exitCode).toBe(0);
    expect(list.stdout()).toContain(`${dir}\n  asks since `);
    expect(list.stdout()).toContain(`npm run companion -- answer ${permissionId}\n`);
    expect(list.stdout()).toContain(`npm run companion -- cancel ${second.promptId}\n`);
    const several = terminal(['cancel', '--dir', dir, '--json'], {});
    expect(await several.exitCode).toBe(1);
    expect(JSON.parse(several.stdout())).toMatchObject({
      error: { code: 'INVALID_REQUEST', details: { suggestion: expect.stringContaining('--all') } },
    });
    const one = terminal(['cancel', second.promptId, '--json'], {});
    expect(await one.exitCode).toBe(0);
    expect(JSON.parse(one.stdout())).toEqual({ cancelled: [{ promptId: second.promptId, was: 'queued' }] });
    const all = terminal(['cancel', '--dir', dir, '--all']);
    expect(await all.exitCode).toBe(0);
    expect(all.stdout()).toBe(`Interrupted ${promptId}, which ran.\n`);
    await phone.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    const none = terminal(['cancel', '--dir', dir]);
    expect(await none.exitCode).toBe(1);
    expect(none.stderr()).toBe(`No prompt runs or waits in ${dir}.\n`);
    expect(await terminal(['waiting']).exitCode).toBe(0);
  });

  test('answer takes the beginning of an id, and refuses one that is not open and a word that means nothing', async () => {
    const { permissionId, phone } = await openRequest();
    for (const [args, words] of [
      [['answer', 'perm_gone', 'allow'], 'No open request has the id perm_gone'],
      [['answer', 'perhaps'], 'No open request has the id perhaps'],
      [['answer', permissionId, 'perhaps'], 'must be allow, deny or always'],
    ] as const) {
      const run = terminal([...args], {});
      expect(await run.exitCode).toBe(1);
      expect(run.stderr()).toContain(words);
    }
    const run = terminal(['answer', permissionId.slice(0, 10), 'allow'], {});
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toBe('Answered: Allow Bash: Touch it?\n');
    await phone.waitFor(({ type, data }) => type === 'permissionResolved' && data.permissionId === permissionId);
  });

  test('answer without words asks the person, with Ctrl-C to leave it open', async () => {
    const { permissionId, phone } = await openRequest();
    const left = terminal(['answer']);
    await readsKey(left);
    await pressUntil(left, '\u0003', () => !left.isRaw());
    expect(await left.exitCode).toBe(130);
    const run = terminal(['answer']);
    await readsKey(run);
    await pressUntil(run, 'n', () => !run.isRaw());
    expect(await run.exitCode).toBe(0);
    const { data } = await phone.waitFor('permissionResolved');
    expect(data).toMatchObject({ permissionId, decision: 'deny' });
  });

  test('a question takes an answer of the person’s own', async () => {
    const phone = await world.connect();
    const questions = [
      {
        question: 'Colour?',
        header: 'C',
        multiSelect: false,
        options: [
          { label: 'Red', description: 'Loud' },
          { label: 'Blue', description: '' },
        ],
      },
    ];
    const prompt = scenario({ tools: [{ name: 'AskUserQuestion', input: { questions } }] }, { text: 'Thanks.' });
    await phone.request('streamStart', { prompt, workingDirectory: dir });
    const { data: request } = await phone.waitFor('permissionRequest');
    const run = terminal(['answer', request.permissionId, 'a', 'light', 'green'], {});
    expect(await run.exitCode).toBe(0);
    const { data } = await phone.waitFor('toolResult');
    expect(JSON.stringify(data)).toContain('a light green');
  });
});

describe('watch', () => {
  test('shows a session’s turns, and answers what they ask', async () => {
    const closed = world.daemon.project();
    const { phone, sessionId } = await openRequest(closed);
    const run = terminal(['watch', closed]);
    await readsKey(run);
    expect(run.stderr()).toContain(`Watching ${closed} (waiting).`);
    await pressUntil(run, 'y', () => run.stderr().includes('  yes'));
    await until('the turn is over', () => run.stdout().includes('The first is done.\n'));
    expect(run.stderr()).toContain('  Bash ok');
    await phone.request('streamSend', { sessionId, prompt: `Hello ${scenario({ text: 'Two.' })}` });
    await until('the next turn is shown', () => run.stdout().includes('Two.'));
    expect(run.stderr()).toContain('» Hello');
    await phone.request('streamClose', { sessionId, reason: 'enough' });
    expect(await run.exitCode).toBe(0);
    expect(run.stdout()).toContain('The session was closed: enough.');
  });

  test('answers nothing where no person can be asked, and leaves with 130 on Ctrl-C', async () => {
    const { permissionId } = await openRequest();
    const run = terminal(['watch', dir], {});
    await until('the command is shown', () => run.stderr().includes(`answer ${permissionId}`));
    run.interrupt();
    expect(await run.exitCode).toBe(130);
    expect((await waiting()).flatMap(({ permissions }) => permissions)).toMatchObject([{ permissionId }]);
    expect(await terminal(['cancel', '--dir', dir], {}).exitCode).toBe(0);
  });

  test('says where there is no session, and where there is no folder', async () => {
    const empty = world.daemon.project();
    const run = terminal(['watch', empty]);
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toBe(`No session works in ${empty}.\n`);
    const missing = terminal(['watch', join(empty, 'gone'), '--json']);
    expect(await missing.exitCode).toBe(1);
    expect(JSON.parse(missing.stdout())).toMatchObject({ error: { code: 'PROJECT_NOT_FOUND' } });
  });
});

test('Ctrl-C ends the turn of ask, leaves what runs in the background, and says so', async () => {
  const dir = world.daemon.project();
  const background = { command: 'touch begun; sleep 1000', description: 'Wait for ever', run_in_background: true };
  const prompt = scenario({ tools: [{ name: 'Bash', input: background }] }, { text: 'Never.', gate: 'beside' });
  const run = terminal(['ask', prompt, '--dir', dir]);
  await readsKey(run);
  await pressUntil(run, 'y', () => run.stderr().includes('  yes'));
  await world.api.reached('beside');
  run.interrupt();
  expect(await run.exitCode).toBe(130);
  expect(run.stderr()).toContain('Still running in the background: Wait for ever\nTo end it: ');
  const [command = ''] = /close \S+/.exec(run.stderr()) ?? [];
  expect(await terminal(command.split(' '), {}).exitCode).toBe(0);
});

describe('chat', () => {
  test('is a conversation: one prompt after the other, until Ctrl-D', async () => {
    const fresh = world.daemon.project();
    const run = terminal(['chat', fresh]);
    await until('a prompt is read', () => run.isRaw());
    run.press(`${scenario({ text: 'One.' })}\r`);
    await until('the first answer and the next prompt are there', () => run.stdout() === 'One.\n' && run.isRaw());
    run.press(`${scenario({ text: 'Two.' })}\r`);
    await until(
      'the second answer and the next prompt are there',
      () => run.stdout() === 'One.\nTwo.\n' && run.isRaw(),
    );
    run.press('\u0004');
    expect(await run.exitCode).toBe(0);
    const { sessions } = (await (await world.daemon.fetch(`/api/sessions?projectPath=${fresh}`)).json()) as {
      sessions: { messageCount: number }[];
    };
    expect(sessions).toMatchObject([{ messageCount: 4 }]);
  });

  test('Ctrl-C interrupts a turn and not the conversation, and drops what is typed', async () => {
    const run = terminal(['chat', world.daemon.project()]);
    await until('a prompt is read', run.isRaw);
    run.press('half a th\u0003');
    await until('it was dropped', () => run.stderr().includes('Ctrl-D ends the conversation.'));
    run.press(`${scenario({ text: 'Slowly, word by word.', gateAfter: { deltas: 1, gate: 'chat' }, chunk: 4 })}\r`);
    await world.api.reached('chat');
    await until('the first words are there', () => run.stdout() !== '');
    run.interrupt();
    await until('the next prompt is read', run.isRaw);
    world.api.release('chat');
    run.press('\u0004');
    expect(await run.exitCode).toBe(0);
  });

  test('needs a terminal', async () => {
    const run = terminal(['chat'], {});
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toContain('A conversation needs a terminal.');
  });
});

test('resume lists the sessions, and goes on with the one that is picked', async () => {
  expect(await terminal(['ask', scenario({ text: 'One.' }), '--dir', dir], {}).exitCode).toBe(0);
  const run = terminal(['resume']);
  await until('a number is read', () => run.stderr().includes('Session (1-') && run.isRaw());
  expect(run.stderr()).toMatch(/^ {3}1 {2}\S+shared \(idle, \d s ago\)$/m);
  run.press('0\r');
  await until('a wrong number is refused', () => run.stderr().includes('Type a number from 1 to'));
  run.press('1\r');
  await until('the conversation has begun', () => run.stderr().includes(`Conversation in ${dir}`) && run.isRaw());
  run.press('\u0004');
  expect(await run.exitCode).toBe(0);
});

describe('stdin', () => {
  test('stands below the prompt, and `-` reads the prompt from there', async () => {
    const mark = scenario({ text: 'Read.' });
    const both = terminal(['ask', 'Review this:', '--dir', dir], { input: `the diff ${mark}\n` });
    expect(await both.exitCode).toBe(0);
    expect(both.stdout()).toBe('Read.\n');
    const alone = terminal(['ask', '-', '--dir', dir], { input: scenario({ text: 'Alone.' }) });
    expect(await alone.exitCode).toBe(0);
    expect(alone.stdout()).toBe('Alone.\n');
    const phone = await world.connect();
    const { sessions } = (await (await world.daemon.fetch(`/api/sessions?projectPath=${dir}`)).json()) as {
      sessions: { sessionId: string }[];
    };
    const history = await phone.request('getMessageHistory', { sessionId: sessions[0]?.sessionId ?? '' });
    const texts = (history.data.messages as { content: { text?: string }[] }[]).map(({ content }) => content[0]?.text);
    expect(texts).toContain(`Review this:\n\nthe diff ${mark}\n`);
  });

  test.each<[string, Buffer | string, string]>([
    ['more than 1 MiB', 'x'.repeat(1024 * 1024), 'larger than 1 MiB'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x80]), 'not UTF-8'],
  ])('with %s is refused with a reason', async (_what, input, words) => {
    const run = terminal(['ask', 'Review', '--dir', dir], { input });
    expect(await run.exitCode).toBe(1);
    expect(run.stderr()).toContain(words);
    expect(await terminal(['waiting', '--json']).exitCode).toBe(0);
  });

  test('that is empty is no prompt', async () => {
    const run = terminal(['ask', '-', '--json'], { input: '\n' });
    expect(await run.exitCode).toBe(1);
    expect(JSON.parse(run.stdout())).toMatchObject({
      error: { code: 'INVALID_REQUEST', details: { field: 'prompt' } },
    });
  });
});

test('a Write is asked for with what changes in the file', async () => {
  writeFileSync(join(dir, 'a.txt'), 'one\ntwo\n');
  const input = { file_path: join(dir, 'a.txt'), content: 'one\nTWO\n' };
  const run = terminal([
    'ask',
    scenario(
      { tools: [{ name: 'Read', input: { file_path: input.file_path } }] },
      { tools: [{ name: 'Write', input }] },
      { text: 'Done.' },
    ),
    '--dir',
    dir,
  ]);
  await readsKey(run);
  expect(run.stderr()).toContain(`${input.file_path} (replaces the file)\n  one\n- two\n+ TWO\n`);
  await pressUntil(run, 'y', () => run.stderr().includes('  yes'));
  expect(await run.exitCode).toBe(0);
});
