import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const view = async (sessionId: string) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
  return (await response.json()) as { pid: number; status: string };
};

/** The text of a block as a client joins it: a frame at offset 0 starts over, others must continue at the end. */
function joinDeltas(frames: Frame[]): string {
  let text = '';
  for (const { type, data } of frames) {
    if (type !== 'streamData' || data.streamType !== 'assistant_message') continue;
    if (data.offset === 0) text = data.content.text;
    else if (data.offset === text.length) text += data.content.text;
  }
  return text;
}

const allEvents = (...clients: WireClient[]): Frame[] => clients.flatMap((client) => client.events());

/** What was begun before the daemon was killed, each followed by a device of its own. */
interface Begun {
  before: WireClient;
  folder: string;
  sessionId: string;
  promptId: string;
  pid: number;
}

/** Sends the prompt to a new session and waits until its turn is where the daemon shall die. */
async function begin(
  deviceId: string,
  prompt: string,
  isThere: (before: WireClient) => Promise<unknown>,
): Promise<Begun> {
  const before = await world.connect({ deviceId });
  const folder = world.daemon.project();
  const options = { allowedTools: ['Bash'] };
  const { data } = await before.request('streamStart', { prompt, workingDirectory: folder, options });
  await isThere(before);
  const { pid } = await view(data.sessionId);
  return { before, folder, sessionId: data.sessionId, promptId: data.promptId, pid };
}

const saidUpTo = (length: number) => (before: WireClient) =>
  before.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= length);

const isAsked = (before: WireClient) => before.waitFor('permissionRequest');

const comesBack = ({ before }: Begun) => world.connect({ deviceId: before.deviceId });

const endOf = (client: WireClient, promptId: unknown) =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

const TEXT = 'Nothing of this may be lost or said twice. '.repeat(30);
const CUT_TEXT = 'Written, then gone. '.repeat(20);
const YOUNG = `young-${process.pid}`;

const inText = () =>
  begin('in-text', scenario({ text: TEXT, gateAfter: { deltas: 10, gate: 'killed' } }), saidUpTo(240));

async function asking() {
  const tool = { name: 'Write', input: { file_path: 'it.txt', content: 'survived' } };
  const begun = await begin('asking', scenario({ tools: [tool] }, { text: 'Survived.' }), isAsked);
  const { before, sessionId } = begun;
  const { data } = await before.request('streamSend', { sessionId, prompt: scenario({ text: 'Second.' }) });
  const asked = await before.waitFor('permissionRequest');
  await before.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
  before.send('ack', { sessionId, seq: asked.seq ?? 0 });
  await before.request('ping', {});
  return { ...begun, asked, second: data.promptId };
}

const tasksOf = async ({ sessionId }: Begun) => (await world.daemon.fetch(`/api/sessions/${sessionId}/tasks`)).json();

async function askingBesideTask() {
  const shell = { command: 'until [ -e go ]; do sleep 0.05; done', description: 'Wait', run_in_background: true };
  const prompt = scenario(
    { tools: [{ name: 'Bash', input: shell }] },
    { tools: [{ name: 'Write', input: { file_path: 'go', content: '' } }] },
    { text: 'Both.' },
  );
  const begun = await begin('beside-task', prompt, isAsked);
  const { before } = begun;
  await before.waitFor(({ type, data }) => type === 'sessionStatus' && Array.isArray(data.background));
  return { ...begun, tasks: await tasksOf(begun) };
}

const cutOff = () =>
  begin('cut-off', scenario({ text: CUT_TEXT, gateAfter: { deltas: 5, gate: 'both-die' } }), saidUpTo(120));

/** Its child is stopped, and does not read what it is sent. */
async function stopped() {
  const prompt = scenario({ text: 'Busy.', chunk: 2, gateAfter: { deltas: 2, gate: 'long-line' } });
  const begun = await begin('stopped', prompt, saidUpTo(4));
  const { before, sessionId, pid } = begun;
  process.kill(pid, 'SIGSTOP');
  const image = { mediaType: 'image/png' as const, data: Buffer.alloc(750_000, 7).toString('base64') };
  const attachments = [image, image, image];
  const long = scenario({ text: 'Long.' });
  const { data } = await before.request('streamSend', { sessionId, prompt: long, attachments, mode: 'steer' });
  return { ...begun, long: data.promptId };
}

describe('a daemon that was killed', () => {
  let text: Begun;
  let asked: Awaited<ReturnType<typeof asking>>;
  let beside: Awaited<ReturnType<typeof askingBesideTask>>;
  let cut: Begun;
  let unread: Awaited<ReturnType<typeof stopped>>;
  let young: Begun;

  beforeAll(async () => {
    [text, asked, beside, cut] = await Promise.all([inText(), asking(), askingBesideTask(), cutOff()]);
    unread = await stopped();
    young = await begin('young', `${YOUNG} ${scenario({ text: 'Young.' })}`, async () => {});
    await world.daemon.kill('SIGKILL');
    process.kill(cut.pid, 'SIGKILL');
    process.kill(unread.pid, 'SIGCONT');
    await world.daemon.start();
  });

  test('H2, D3, D4: in mid-text: the same child goes on, the next daemon tells the rest, every event once', async () => {
    const { before, sessionId, promptId, pid } = text;
    expect(await before.closed).toBe(1006);
    const after = await comesBack(text);
    const welcome = await after.waitFor('welcome');
    expect(welcome.data.resumed).toMatchObject([{ sessionId, resume: 'replay' }]);
    await after.waitFor('caughtUp');
    expect((await view(sessionId)).pid).toBe(pid);
    world.api.release('killed');
    const end = await endOf(after, promptId);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: TEXT });
    expect(joinDeltas(after.frames)).toBe(TEXT);
    await after.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    const unseen = after.events().filter(({ seq }) => !before.events().some((known) => known.seq === seq));
    expect(allEvents(before).length + unseen.length).toBe(Math.max(...unseen.map(({ seq }) => seq ?? 0)));
    const twice = after.events().filter(({ seq }) => before.events().some((known) => known.seq === seq));
    for (const frame of twice) expect(frame).toMatchObject({ _queued: true });
    const messages = unseen.filter(({ type }) => type === 'assistantMessage');
    expect(messages.map(({ data }) => data.content)).toEqual([[{ type: 'text', text: TEXT }]]);
  });

  test('H2, I2: with a permission request open: it can still be answered, once, and queued prompts run afterwards', async () => {
    const { sessionId, pid } = asked;
    const after = await comesBack(asked);
    const again = await after.waitFor(({ type, data }) => type === 'permissionRequest' && data.sessionId === sessionId);
    expect(again.data).toEqual(asked.asked.data);
    expect(again.seq).toBeUndefined();
    await after.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
    expect(await view(sessionId)).toMatchObject({ pid, status: 'waiting' });
    const { permissionId } = again.data;
    const answer = { sessionId, permissionId, response: 'y', remember: false };
    expect((await after.request('permission', answer)).type).toBe('permissionAccepted');
    expect((await after.waitFor('toolResult')).data).toMatchObject({ toolName: 'Write', success: true });
    expect(readFileSync(join(asked.folder, 'it.txt'), 'utf8')).toBe('survived');
    expect((await after.request('permission', answer)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    await endOf(after, asked.second);
    const ends = after.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(ends.map(({ data }) => data.finalResult)).toEqual(['Survived.', 'Second.']);
  });

  test('H2: with a task in the background and a request open: the child says the same, and nothing is told', async () => {
    const { before, sessionId, tasks } = beside;
    const { permissionId } = (await isAsked(before)).data;
    const after = await comesBack(beside);
    await after.waitFor(({ type, data }) => type === 'permissionRequest' && data.permissionId === permissionId);
    expect(await view(sessionId)).toMatchObject({ status: 'waiting' });
    expect(await tasksOf(beside)).toEqual(tasks);
    await after.request('permission', { sessionId, permissionId, response: 'y', remember: false });
    await after.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Both.');
    const told = [...before.events(sessionId), ...after.events(sessionId)];
    expect(told.filter(({ type, data }) => type === 'notice' && data.kind === 'adoption')).toEqual([]);
    const requests = told.filter(({ type }) => type === 'permissionRequest').map(({ data }) => data.permissionId);
    expect(new Set(requests)).toEqual(new Set([permissionId]));
  });

  test('H2: right after the child was started: no second child, and the prompt runs once', async () => {
    const { sessionId, promptId } = young;
    const after = await comesBack(young);
    expect((await endOf(after, promptId)).data.finalResult).toBe('Young.');
    expect(world.api.runs(YOUNG)).toBe(1);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([(await view(sessionId)).pid]);
  });

  test('whose child ended meanwhile: its turn ends once, what it wrote is kept, the next prompt works', async () => {
    const { sessionId, promptId } = cut;
    world.api.release('both-die');
    const after = await comesBack(cut);
    expect((await endOf(after, promptId)).data.subtype).toBe('child_exited');
    const partial = await after.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
    expect(partial.data.content[0]?.text).toBe(CUT_TEXT.slice(0, 120));
    const next = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'Alive.' }) });
    expect((await endOf(after, next.data.promptId)).data.finalResult).toBe('Alive.');
    const ends = after.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(ends).toHaveLength(2);
  });

  test('with a long line on its way into the child: the turn ends by its output, then another child resumes', async () => {
    const { sessionId, pid, long } = unread;
    world.api.release('long-line');
    const after = await comesBack(unread);
    expect((await endOf(after, long)).data).toMatchObject({ subtype: 'success', finalResult: 'Long.' });
    expect((await view(sessionId)).pid).not.toBe(pid);
    const ends = after.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(ends.map(({ data }) => data.finalResult)).toEqual(['Busy.', 'Long.']);
  });
});
