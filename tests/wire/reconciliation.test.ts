/** What the CLI's transcript has and the journal lacks. The terminal is the real CLI, started by hand. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { locateCli } from '../../services/claude/cli-locator.js';
import { openDatabase } from '../../services/journal/open-database.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const KEPT = 12;
const ordinary = useWorld();
const forgetful = useWorld({ environment: { RETENTION_EVENTS: String(KEPT) } });
type World = typeof ordinary;

const binaryOf = ({ daemon }: World): string => {
  const { CLAUDE_PATH: configuredPath, PATH: path = '' } = daemon.environment;
  return locateCli({ path, ...(configuredPath !== undefined && { configuredPath }) }) ?? '';
};

/** Runs a turn in a terminal of the person's own. Returns the id of the conversation. */
async function inTerminal(world: World, directory: string, ...args: string[]): Promise<string> {
  const child = spawn(binaryOf(world), ['-p', '--output-format', 'json', ...args, '--allowedTools', 'Bash'], {
    cwd: directory,
    env: world.daemon.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  return (JSON.parse(Buffer.concat(output).toString()) as { session_id: string }).session_id;
}

const viewOf = async ({ daemon }: World, sessionId: string) =>
  (await (await daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number; messageCount: number };

interface Opened {
  sessionId: string;
  directory: string;
  claudeSessionId: string;
}

async function open(client: WireClient, directory: string, prompt: string, options = {}): Promise<Opened> {
  const from = client.frames.length;
  const started = await client.request('streamStart', { prompt, workingDirectory: directory, options });
  const { sessionId, promptId } = started.data;
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId, from);
  const init = client.events(sessionId).findLast(({ type }) => type === 'systemInit');
  return { sessionId, directory, claudeSessionId: init?.data.claudeSessionId as string };
}

/** The session stays and has no child. */
async function close(world: World, client: WireClient, sessionId: string): Promise<void> {
  await client.request('streamClose', { sessionId, reason: 'to go on elsewhere' });
  await waitUntil('the child is gone', () => world.daemon.sessionProcesses(sessionId).length === 0);
  await waitUntil('the daemon knows', async () => (await viewOf(world, sessionId)).pid === undefined);
}

const textOf = ({ data }: Frame): string => data.content.map(({ text }) => text).join('');
const isMessage = ({ type }: Frame) => type === 'humanMessage' || type === 'assistantMessage';
/** Who said what; the mark of a scenario is left out. */
const saidIn = (frames: Frame[]): string[] =>
  frames.filter(isMessage).map((frame) => {
    const text = textOf(frame)
      .replace(/scenario \S+ @@.*@@/s, '')
      .trim();
    return frame.type === 'humanMessage' ? `${frame.data.deviceId as string}: ${text}` : text;
  });

interface HistoryMessage {
  type: string;
  content: { text?: string }[];
}

async function historyOf(client: WireClient, sessionId: string): Promise<string[]> {
  const { data } = await client.request('getMessageHistory', { sessionId });
  return (data.messages as HistoryMessage[]).map(({ content }) =>
    content.map(({ text = '' }) => text.replace(/scenario \S+ @@.*@@/s, '').trim()).join(''),
  );
}

const transcriptOf = ({ daemon }: World, claudeSessionId: string): string => {
  const projects = join(daemon.environment.HOME ?? '', '.claude/projects');
  const folder = readdirSync(projects).find((name) =>
    readdirSync(join(projects, name)).includes(`${claudeSessionId}.jsonl`),
  );
  return join(projects, folder ?? '', `${claudeSessionId}.jsonl`);
};

/** What the log tells of transcripts that were read for a session. */
const readings = ({ daemon }: World, sessionId: string): string[] =>
  readFileSync(join(daemon.home, 'logs/companion.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('transcript read') && line.includes(sessionId));

describe('a conversation that went on in a terminal', () => {
  const world = ordinary;

  test('D3: its messages come before the next prompt, once and in order, and never again', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const opened = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
    const { sessionId, directory, claudeSessionId } = opened;
    await close(world, client, sessionId);
    const tools = [{ name: 'Bash', input: { command: 'echo from the terminal', description: 'x' } }];
    const steps = scenario({ thinking: 'Hm.', text: 'Let me see.', tools }, { text: 'Second.' });
    await inTerminal(world, directory, '--resume', claudeSessionId, `two ${steps}`);
    await open(client, directory, `three ${scenario({ text: 'Third.' })}`);
    const told = [
      'phone: one',
      'First.',
      'terminal: two',
      'Hm.',
      'Let me see.',
      '',
      'Second.',
      'phone: three',
      'Third.',
    ];
    expect(saidIn(client.events(sessionId))).toEqual(told);
    const toolEvents = client.events(sessionId).filter(({ type }) => type === 'toolUse' || type === 'toolResult');
    expect(toolEvents.map(({ data }) => [data.toolName, data.result])).toEqual([
      ['Bash', undefined],
      ['Bash', 'from the terminal'],
    ]);
    const typed = client.events(sessionId).find(({ data }) => data.deviceId === 'terminal');
    expect(typed?.data.promptId).toBe(typed?.data.messageId);
    const history = ['one', 'First.', 'two', 'Hm.Let me see.', 'Second.', 'three', 'Third.'];
    expect(await historyOf(client, sessionId)).toEqual(history);
    expect((await viewOf(world, sessionId)).messageCount).toBe(history.length);
    expect(readings(world, sessionId)).toHaveLength(1);
    await close(world, client, sessionId);
    await world.daemon.restart('SIGKILL');
    const again = await world.connect({ deviceId: 'phone' });
    await open(again, directory, `four ${scenario({ text: 'Fourth.' })}`);
    expect(await historyOf(again, sessionId)).toEqual([...history, 'four', 'Fourth.']);
  });

  test('what was said in it before the session took it up is not told, what follows is', async () => {
    const directory = world.daemon.project();
    const id = await inTerminal(world, directory, `before ${scenario({ text: 'Long ago.' })}`);
    const client = await world.connect({ deviceId: 'joins' });
    const { sessionId } = await open(client, directory, `joined ${scenario({ text: 'Now.' })}`, { resume: id });
    expect(await historyOf(client, sessionId)).toEqual(['joined', 'Now.']);
    await close(world, client, sessionId);
    await inTerminal(world, directory, '--continue', `after ${scenario({ text: 'Later.' })}`);
    await open(client, directory, `back ${scenario({ text: 'Again.' })}`);
    expect(await historyOf(client, sessionId)).toEqual(['joined', 'Now.', 'after', 'Later.', 'back', 'Again.']);
  });

  test('one that the session had left is taken up where it is now', async () => {
    const client = await world.connect({ deviceId: 'leaves' });
    const first = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
    const { sessionId, directory, claudeSessionId } = first;
    await open(client, directory, `two ${scenario({ text: 'Second.' })}`, { preserveContext: false });
    await close(world, client, sessionId);
    await inTerminal(world, directory, '--resume', claudeSessionId, `aside ${scenario({ text: 'Elsewhere.' })}`);
    await open(client, directory, `three ${scenario({ text: 'Third.' })}`, { resume: claudeSessionId });
    expect(await historyOf(client, sessionId)).toEqual(['one', 'First.', 'two', 'Second.', 'three', 'Third.']);
  });

  test('where nothing was said in it, nothing is read', async () => {
    const client = await world.connect();
    const { sessionId, directory } = await open(client, world.daemon.project(), scenario({ text: 'Quiet.' }));
    await close(world, client, sessionId);
    await open(client, directory, scenario({ text: 'Quiet again.' }));
    await close(world, client, sessionId);
    await world.daemon.restart('SIGTERM');
    const later = await world.connect();
    await open(later, directory, scenario({ text: 'And again.' }));
    expect(readings(world, sessionId)).toEqual([]);
  });
});

/** A turn that goes on while the daemon is away: its output from there on is lost, and then the child dies. */
async function loseOutput(world: World, { sessionId, claudeSessionId }: Opened, turn: { gate: string; text: string }) {
  const { pid } = await viewOf(world, sessionId);
  const output = join(world.daemon.home, 'run', sessionId, 'stdout.jsonl');
  await world.daemon.kill('SIGKILL');
  const { size } = statSync(output);
  world.api.release(turn.gate);
  const transcript = transcriptOf(world, claudeSessionId);
  await waitUntil('the transcript has it', () => readFileSync(transcript, 'utf8').includes(`"text":"${turn.text}"`));
  process.kill(pid, 'SIGKILL');
  await waitUntil('the child is dead', () => !isAlive(pid));
  truncateSync(output, size);
  await world.daemon.start();
}

describe('a child that was killed when the daemon had not read all of its output', () => {
  const world = ordinary;

  test('H2: a message that it wrote to its transcript alone is added, once', async () => {
    const client = await world.connect({ deviceId: 'loses' });
    const opened = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
    const { sessionId } = opened;
    const steps = scenario({ text: 'Lost words.', gate: 'lost' });
    await client.request('streamSend', { sessionId, prompt: `two ${steps}` });
    await world.api.reached('lost');
    await client.waitFor(({ type, data }) => type === 'humanMessage' && textOf({ data } as Frame).includes('two'));
    await loseOutput(world, opened, { gate: 'lost', text: 'Lost words.' });
    const back = await world.connect({ deviceId: 'loses' });
    const lost = await back.waitFor(
      ({ type, data }) => type === 'assistantMessage' && data.content[0]?.text === 'Lost words.',
    );
    expect(lost.data).not.toHaveProperty('partial');
    expect(await historyOf(back, sessionId)).toEqual(['one', 'First.', 'two', 'Lost words.']);
    const end = back.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(end.map(({ data }) => data.subtype)).toContain('child_exited');
    await world.daemon.restart('SIGKILL');
    const again = await world.connect({ deviceId: 'loses' });
    await open(again, opened.directory, `three ${scenario({ text: 'Third.' })}`);
    expect(await historyOf(again, sessionId)).toEqual(['one', 'First.', 'two', 'Lost words.', 'three', 'Third.']);
  });

  test('of a block that was known in part the whole comes in its place', async () => {
    const client = await world.connect({ deviceId: 'part' });
    const opened = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
    const { sessionId } = opened;
    const text = 'A text that is heard in part.';
    const steps = scenario({ text, chunk: 4, gateAfter: { deltas: 2, gate: 'part' } });
    await client.request('streamSend', { sessionId, prompt: `two ${steps}` });
    await client.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 8);
    await loseOutput(world, opened, { gate: 'part', text });
    const back = await world.connect({ deviceId: 'part' });
    const whole = await back.waitFor(({ type, data }) => type === 'assistantMessage' && data.content[0]?.text === text);
    const part = await back.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
    expect(whole.data).toMatchObject({ messageId: part.data.messageId, blockIndex: part.data.blockIndex });
    expect(await historyOf(back, sessionId)).toEqual(['one', 'First.', 'two', text]);
  });
});

test('D3: what a journal has lost that was restored from an older copy is read from the transcript, at the start', async () => {
  const world = ordinary;
  const client = await world.connect({ deviceId: 'restored' });
  const opened = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
  const { sessionId, directory } = opened;
  await close(world, client, sessionId);
  await world.daemon.kill('SIGTERM');
  const journal = join(world.daemon.home, 'journal.db');
  copyFileSync(journal, `${journal}.copy`);
  await world.daemon.start();
  const second = await world.connect({ deviceId: 'restored' });
  await open(second, directory, `two ${scenario({ text: 'Second.' })}`);
  await close(world, second, sessionId);
  await world.daemon.kill('SIGTERM');
  for (const suffix of ['-wal', '-shm']) rmSync(`${journal}${suffix}`, { force: true });
  copyFileSync(`${journal}.copy`, journal);
  await world.daemon.start();
  const back = await world.connect({ deviceId: 'restored' });
  await waitUntil('it is told', async () => (await historyOf(back, sessionId)).includes('Second.'));
  expect(await historyOf(back, sessionId)).toEqual(['one', 'First.', 'two', 'Second.']);
});

test('D3: what a damaged journal has lost is read from the transcript at the start, though both had agreed', async () => {
  const world = ordinary;
  const client = await world.connect({ deviceId: 'mended' });
  const opened = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
  const { sessionId } = opened;
  await open(client, opened.directory, `two ${scenario({ text: 'Second.' })}`);
  const asked = client.events(sessionId).findLast(({ type }) => type === 'humanMessage');
  await close(world, client, sessionId);
  await world.daemon.kill('SIGTERM');
  const database = openDatabase(join(world.daemon.home, 'journal.db'));
  database.prepare('DELETE FROM events WHERE session_id = ? AND seq > ?').run(sessionId, asked?.seq);
  database.close();
  await world.daemon.start();
  const back = await world.connect({ deviceId: 'mended' });
  await waitUntil('it is told', async () => (await historyOf(back, sessionId)).includes('Second.'));
  expect(await historyOf(back, sessionId)).toEqual(['one', 'First.', 'two', 'Second.']);
});

test('D3: what retention has removed is not added again', async () => {
  const world = forgetful;
  const client = await world.connect({ deviceId: 'forgets' });
  const opened = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
  const { sessionId } = opened;
  await close(world, client, sessionId);
  for (const text of ['Second.', 'Third.', 'Fourth.', 'Fifth.'])
    await open(client, opened.directory, scenario({ text }));
  await waitUntil('it is removed', async () => !(await historyOf(client, sessionId)).includes('First.'));
  await client.request('streamSend', { sessionId, prompt: `last ${scenario({ text: 'Lost words.', gate: 'kept' })}` });
  await world.api.reached('kept');
  await client.waitFor(({ type, data }) => type === 'humanMessage' && textOf({ data } as Frame).includes('last'));
  const before = await historyOf(client, sessionId);
  await loseOutput(world, opened, { gate: 'kept', text: 'Lost words.' });
  const back = await world.connect({ deviceId: 'forgets' });
  await waitUntil('it is told', async () => (await historyOf(back, sessionId)).includes('Lost words.'));
  const after = await historyOf(back, sessionId);
  expect(after.slice(0, -1)).toEqual(before.slice(-(after.length - 1)));
  expect(after).not.toContain('First.');
});
