/** `queue`, `tasks` and `rewind` in a terminal, against the real daemon and the real CLI. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { type CliRun, runInTerminal, type TerminalOptions } from './support/cli-run.js';
import { until } from './support/until.js';

const world = useWorld();

const terminal = (args: string[], options: TerminalOptions = {}): CliRun =>
  runInTerminal({ ...options, args, home: world.daemon.home });

async function run(args: string[], options: TerminalOptions = {}) {
  const { exitCode, stdout, stderr } = terminal(args, options);
  const code = await exitCode;
  return { code, out: stdout(), err: stderr() };
}

async function json(args: string[]) {
  const { code, out } = await run([...args, '--json']);
  return { code, document: JSON.parse(out) as Record<string, unknown> & { error: { code: string; details: object } } };
}

test('queue lists, edits, moves, holds, continues and clears what waits', async () => {
  const phone = await world.connect({ deviceId: 'phone' });
  const dir = world.daemon.project();
  const started = await phone.request('streamStart', {
    prompt: scenario({ text: 'Busy.', gate: 'cli-queue' }),
    workingDirectory: dir,
  });
  const { sessionId } = started.data;
  await world.api.reached('cli-queue');
  expect((await run(['queue', '--dir', dir])).out).toBe('No prompt waits.\n');
  const ids: string[] = [];
  for (const text of ['First \u001b[31mone', 'Second', 'Third']) {
    const sent = await phone.request('streamSend', { sessionId, prompt: `${text} ${scenario({ text })}` });
    ids.push(sent.data.promptId);
  }
  const [first = '', second = '', third = ''] = ids;
  const listed = await run(['queue', '--dir', dir]);
  expect(listed.out).toMatch(/^PROMPT +MODE +DEVICE +TEXT\n/);
  expect(
    listed.out
      .split('\n')
      .slice(1, 4)
      .map((line) => line.split(' ')[0]),
  ).toEqual(ids);
  expect(listed.out).toContain('phone');
  expect(listed.out).not.toContain('\u001b');

  const edited = await run(['queue', 'edit', second, '-'], { input: scenario({ text: 'Edited.' }) });
  expect(edited).toMatchObject({ code: 0, out: `Changed ${second}.\n` });
  expect((await run(['queue', 'move', third, '--before', first])).out).toBe(`Moved ${third}: 1 prompt ahead of it.\n`);
  const { document } = await json(['queue', 'list', '--dir', dir]);
  expect((document.queue as { promptId: string }[]).map(({ promptId }) => promptId)).toEqual([third, first, second]);
  expect(await json(['queue', 'edit', 'nobody', 'x'])).toMatchObject({
    code: 1,
    document: { error: { code: 'NOT_FOUND', details: { field: 'promptId' } } },
  });
  expect(await json(['queue', 'move', second, '--before', second])).toMatchObject({ code: 1 });

  const held = await run(['queue', 'hold', '--dir', dir]);
  expect(held.out).toMatch(/^Stopped\. 3 prompts held: .*queue continue\n$/);
  expect((await run(['queue', '--dir', dir])).out).toContain('They are held');
  world.api.release('cli-queue');
  await phone.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
  expect((await run(['cancel', first])).code).toBe(0);
  expect((await run(['queue', 'continue', '--dir', dir])).out).toBe('2 prompts waited.\n');
  await phone.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Edited.');
  expect((await run(['queue', 'clear', '--dir', dir])).out).toBe('Dropped 0 prompts.\n');
  expect(await json(['queue', '--dir', world.daemon.project()])).toMatchObject({
    code: 1,
    document: { error: { code: 'SESSION_NOT_FOUND' } },
  });
});

test('tasks lists, reads and stops; rewind shows what would change, asks, and goes back', async () => {
  const phone = await world.connect({ deviceId: 'phone' });
  const dir = world.daemon.project();
  const file = join(dir, 'made.txt');
  const shell = { command: 'echo one; sleep 60', description: 'Wait for it', run_in_background: true };
  const started = await phone.request('streamStart', {
    prompt: scenario(
      { tools: [{ name: 'Bash', input: shell }] },
      { tools: [{ name: 'Write', input: { file_path: file, content: '1\n2\n' } }] },
      { text: 'Started.' },
    ),
    workingDirectory: dir,
    options: { allowedTools: ['Bash'], permissionMode: 'acceptEdits' },
  });
  const { sessionId, promptId } = started.data;
  await phone.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  const { document } = await json(['tasks', '--dir', dir]);
  const [{ taskId } = { taskId: '' }] = document.tasks as { taskId: string }[];
  expect((await run(['tasks', '--dir', dir])).out).toMatch(
    new RegExp(`^TASK +KIND +STATUS +FOR +WHAT\\n${taskId} +shell +running +\\S+ +.*Wait for it`),
  );
  const welcome = await (await world.connect()).waitFor('welcome');
  const isOld = welcome.data.claudeCodeVersion === '2.1.197';
  const output = await run(['tasks', 'output', taskId, '--dir', dir]);
  if (isOld) expect(output).toMatchObject({ code: 1, err: expect.stringContaining('2.1.287') });
  else expect(output).toMatchObject({ code: 0, out: 'one\n' });
  expect((await run(['tasks', 'background', '--dir', dir])).err).toContain('No tool runs');
  expect((await run(['tasks', 'stop', taskId, '--dir', dir])).out).toBe(`Stopped ${taskId}.\n`);
  expect(await json(['tasks', 'stop', taskId, '--dir', dir])).toMatchObject({
    code: 1,
    document: { error: { code: 'INVALID_REQUEST', details: { field: 'taskId' } } },
  });
  expect((await run(['tasks', '--dir', dir])).out).toBe('No tasks.\n');

  // The end of the task has begun no turn: it was stopped.
  const isIdle = () => phone.events(sessionId).findLast(({ type }) => type === 'sessionStatus')?.data.status === 'idle';
  await phone.waitFor(isIdle);
  const dry = await run(['rewind', promptId, '--what', 'files', '--dry-run', '--dir', dir]);
  expect(dry).toMatchObject({ err: '', code: 0, out: `1 file would be restored (+0 -2):\n  ${file}\n` });
  expect(await json(['rewind', promptId, '--what', 'all', '--dir', dir])).toMatchObject({
    document: { error: { code: 'INVALID_REQUEST', details: { field: 'what' } } },
  });
  const unasked = await run(['rewind', promptId, '--dir', dir]);
  expect(unasked).toMatchObject({ code: 1, err: expect.stringContaining('--yes') });
  const declined = terminal(['rewind', promptId, '--what', 'files', '--dir', dir], { isTTY: true });
  await until('it asks', () => declined.stderr().includes('Rewind? (y/N)'));
  declined.press('n\r');
  expect(await declined.exitCode).toBe(130);
  expect(existsSync(file)).toBe(true);
  const picked = terminal(['rewind', '--what', 'files', '--dir', dir], { isTTY: true });
  await until('it lists', () => picked.stderr().includes('Prompt (1-1)'));
  picked.press('1\r');
  await until('it asks', () => picked.stderr().includes('Rewind? (y/N)'));
  picked.press('y\r');
  expect(await picked.exitCode).toBe(0);
  expect(picked.stdout()).toContain('1 file is restored');
  expect(existsSync(file)).toBe(false);
  const both = await json(['rewind', promptId, '--yes', '--dir', dir]);
  expect(both).toMatchObject({ code: 0, document: { what: 'both', canRewind: true } });
});
