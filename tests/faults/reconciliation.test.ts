/** What the CLI's transcript has and the journal lacks. The terminal is the real CLI, started by hand. */
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { inTerminal } from '../support/desk.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const KEPT = 12;
const ordinary = useWorld();
const forgetful = useWorld({ environment: { RETENTION_EVENTS: String(KEPT) } });
type World = typeof ordinary;
const openShared = useSharedSession(ordinary);
const openAnother = useSharedSession(ordinary);

const viewOf = async ({ daemon }: World, sessionId: string) =>
  (await (await daemon.fetch(`/api/sessions/${sessionId}`)).json()) as {
    pid: number;
    messageCount: number;
    claudeSessionId: string;
  };

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
    .filter((line) => line.includes('the transcript was read') && line.includes(sessionId));

/** A session that several tests use in turn, after a prompt `one`; `history` is what has been said from there on. */
async function openWithOne(client: WireClient, { directory, sessionId }: { directory: string; sessionId: string }) {
  const before = await historyOf(client, sessionId);
  const opened = await open(client, directory, `one ${scenario({ text: 'First.' })}`);
  // A child that runs already does not say it again.
  const { claudeSessionId } = await viewOf(ordinary, sessionId);
  return {
    ...opened,
    claudeSessionId,
    history: async (by = client) => (await historyOf(by, sessionId)).slice(before.length),
  };
}

describe('a conversation that went on in a terminal', () => {
  const world = ordinary;

  test('D3: its messages come before the next prompt, in order and exactly once, but those from before the session resumed it; nothing is read when it has nothing new', async () => {
    const directory = world.daemon.project();
    const id = await inTerminal(world.daemon, directory, `before ${scenario({ text: 'Long ago.' })}`);
    const client = await world.connect({ deviceId: 'phone' });
    const { sessionId } = await open(client, directory, `one ${scenario({ text: 'First.' })}`, { resume: id });
    expect(await historyOf(client, sessionId)).toEqual(['one', 'First.']);
    await close(world, client, sessionId);
    await open(client, directory, `quiet ${scenario({ text: 'Nothing new.' })}`);
    await close(world, client, sessionId);
    expect(readings(world, sessionId)).toEqual([]);
    const tools = [{ name: 'Bash', input: { command: 'echo from the terminal', description: 'x' } }];
    const steps = scenario({ thinking: 'Hm.', text: 'Let me see.', tools }, { text: 'Second.' });
    await inTerminal(world.daemon, directory, '--continue', `two ${steps}`);
    await open(client, directory, `three ${scenario({ text: 'Third.' })}`);
    const told = [
      'phone: one',
      'First.',
      'phone: quiet',
      'Nothing new.',
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
    const history = ['one', 'First.', 'quiet', 'Nothing new.', 'two', 'Hm.Let me see.', 'Second.', 'three', 'Third.'];
    expect(await historyOf(client, sessionId)).toEqual(history);
    expect((await viewOf(world, sessionId)).messageCount).toBe(history.length);
    expect(readings(world, sessionId)).toHaveLength(1);
    await close(world, client, sessionId);
    await world.daemon.restart('SIGKILL');
    const again = await world.connect({ deviceId: 'phone' });
    await open(again, directory, `four ${scenario({ text: 'Fourth.' })}`);
    expect(await historyOf(again, sessionId)).toEqual([...history, 'four', 'Fourth.']);
    expect(readings(world, sessionId)).toHaveLength(1);
  });

  test('one that the session had left is resumed from where it is now', async () => {
    const client = await world.connect();
    const first = await open(client, world.daemon.project(), `one ${scenario({ text: 'First.' })}`);
    const { sessionId, directory, claudeSessionId } = first;
    await open(client, directory, `two ${scenario({ text: 'Second.' })}`, { preserveContext: false });
    await close(world, client, sessionId);
    await inTerminal(world.daemon, directory, '--resume', claudeSessionId, `aside ${scenario({ text: 'Elsewhere.' })}`);
    await open(client, directory, `three ${scenario({ text: 'Third.' })}`, { resume: claudeSessionId });
    expect(await historyOf(client, sessionId)).toEqual(['one', 'First.', 'two', 'Second.', 'three', 'Third.']);
  });
});

interface Lost extends Opened {
  gate: string;
  text: string;
}

/** Turns that go on while the daemon is away: their output from there on is lost, and then their children die. */
async function loseOutput(world: World, ...turns: Lost[]) {
  const outputOf = (sessionId: string) => join(world.daemon.home, 'run', sessionId, 'stdout.jsonl');
  const pids = await Promise.all(turns.map(async ({ sessionId }) => (await viewOf(world, sessionId)).pid));
  await world.daemon.kill('SIGKILL');
  const sizes = turns.map(({ sessionId }) => statSync(outputOf(sessionId)).size);
  for (const { gate, claudeSessionId, text } of turns) {
    world.api.release(gate);
    const transcript = transcriptOf(world, claudeSessionId);
    await waitUntil('the transcript has it', () => readFileSync(transcript, 'utf8').includes(`"text":"${text}"`));
  }
  for (const pid of pids) {
    process.kill(pid, 'SIGKILL');
    await waitUntil('the child is dead', () => !isAlive(pid));
  }
  for (const [index, { sessionId }] of turns.entries()) truncateSync(outputOf(sessionId), sizes[index]);
  await world.daemon.start();
}

test('H2: of a child that was killed when the daemon had not read all of its output, what only its transcript has is added once, and a block that was known in part is replaced by the whole one', async () => {
  const world = ordinary;
  const client = await world.connect({ deviceId: 'loses' });
  const whole = await openWithOne(client, await openShared(client));
  const part = await openWithOne(client, await openAnother(client));
  const { sessionId } = whole;
  const steps = scenario({ text: 'Lost words.', gate: 'lost' });
  await client.request('streamSend', { sessionId, prompt: `two ${steps}` });
  await world.api.reached('lost');
  const isTwo = ({ type, data }: Frame) => type === 'humanMessage' && textOf({ data } as Frame).includes('two');
  await client.waitFor((frame) => isTwo(frame) && frame.sessionId === sessionId);
  const text = 'A text that is heard in part.';
  const inPart = scenario({ text, chunk: 4, gateAfter: { deltas: 2, gate: 'part' } });
  const from = client.frames.length;
  await client.request('streamSend', { sessionId: part.sessionId, prompt: `two ${inPart}` });
  await client.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 8, from);
  await loseOutput(world, { ...whole, gate: 'lost', text: 'Lost words.' }, { ...part, gate: 'part', text });
  const back = await world.connect({ deviceId: 'loses' });
  const isAnswer = ({ type, data }: Frame, words: string) =>
    type === 'assistantMessage' && data.content[0]?.text === words;
  const lost = await back.waitFor((frame) => isAnswer(frame, 'Lost words.'));
  expect(lost.data).not.toHaveProperty('partial');
  expect(await whole.history(back)).toEqual(['one', 'First.', 'two', 'Lost words.']);
  const ends = back.events(sessionId).filter(({ type }) => type === 'streamComplete');
  expect(ends.map(({ data }) => data.subtype)).toContain('child_exited');
  const mended = await back.waitFor((frame) => isAnswer(frame, text));
  const heard = await back.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
  expect(mended.data).toMatchObject({ messageId: heard.data.messageId, blockIndex: heard.data.blockIndex });
  expect(await part.history(back)).toEqual(['one', 'First.', 'two', text]);
  await world.daemon.restart('SIGKILL');
  const again = await world.connect({ deviceId: 'loses' });
  await open(again, whole.directory, `three ${scenario({ text: 'Third.' })}`);
  expect(await whole.history(again)).toEqual(['one', 'First.', 'two', 'Lost words.', 'three', 'Third.']);
});

test('D3: messages that a damaged journal has lost, and those missing from one that is restored from an older copy, are read from the transcript at the start, although both had agreed', async () => {
  const world = ordinary;
  const client = await world.connect({ deviceId: 'restored' });
  const restored = await openWithOne(client, await openShared(client));
  const damaged = await openWithOne(client, await openAnother(client));
  await open(client, damaged.directory, `two ${scenario({ text: 'Second.' })}`);
  const asked = client.events(damaged.sessionId).findLast(({ type }) => type === 'humanMessage');
  for (const { sessionId } of [restored, damaged]) await close(world, client, sessionId);
  await world.daemon.kill('SIGTERM');
  const journal = join(world.daemon.home, 'journal.db');
  copyFileSync(journal, `${journal}.copy`);
  const database = openDatabase(journal);
  database.prepare('DELETE FROM events WHERE session_id = ? AND seq > ?').run(damaged.sessionId, asked?.seq);
  database.close();
  await world.daemon.start();
  const second = await world.connect({ deviceId: 'restored' });
  await waitUntil('it is told', async () => (await damaged.history(second)).includes('Second.'));
  expect(await damaged.history(second)).toEqual(['one', 'First.', 'two', 'Second.']);
  await open(second, restored.directory, `two ${scenario({ text: 'Second.' })}`);
  await close(world, second, restored.sessionId);
  await world.daemon.kill('SIGTERM');
  for (const suffix of ['-wal', '-shm']) rmSync(`${journal}${suffix}`, { force: true });
  copyFileSync(`${journal}.copy`, journal);
  await world.daemon.start();
  const back = await world.connect({ deviceId: 'restored' });
  await waitUntil('it is told', async () => (await restored.history(back)).includes('Second.'));
  expect(await restored.history(back)).toEqual(['one', 'First.', 'two', 'Second.']);
});

test('D3: messages that retention has removed are not added again', async () => {
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
  await loseOutput(world, { ...opened, gate: 'kept', text: 'Lost words.' });
  const back = await world.connect({ deviceId: 'forgets' });
  await waitUntil('it is told', async () => (await historyOf(back, sessionId)).includes('Lost words.'));
  const after = await historyOf(back, sessionId);
  expect(after.slice(0, -1)).toEqual(before.slice(-(after.length - 1)));
  expect(after).not.toContain('First.');
});
