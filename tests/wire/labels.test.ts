/** The name, the tag and the archive mark of a session, on the devices and in the conversation of the real CLI. */
import { appendFileSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { errorBodySchema, type SessionView, sessionViewSchema } from '../../protocol/rest.js';
import { ANSWERS } from '../../protocol/server-frames.js';
import { runInTerminal } from '../client/support/cli-run.js';
import { atDesk, inTerminal } from '../support/desk.js';
import { rewriteRecord } from '../support/rewrite-record.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

async function open(client: WireClient): Promise<string> {
  return (await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() })).data.sessionId;
}

async function turn(client: WireClient, sessionId: string, prompt = scenario({ text: 'Done.' })): Promise<void> {
  const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
}

/** Ends the child. */
async function close(client: WireClient, sessionId: string): Promise<void> {
  await client.request('streamClose', { sessionId, reason: 'enough' });
  await waitUntil('the child is gone', () => world.daemon.sessionProcesses(sessionId).length === 0);
}

const headers = { 'content-type': 'application/json' };
const patch = (sessionId: string, changes: object): Promise<Response> =>
  world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'PATCH', headers, body: JSON.stringify(changes) });

async function viewOf(sessionId: string): Promise<SessionView> {
  return sessionViewSchema.parse(await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json());
}

const conversationOf = async (sessionId: string): Promise<string> => (await viewOf(sessionId)).claudeSessionId ?? '';

/** The session as a list with this query shows it; undefined when it is not in the list. */
async function listed(sessionId: string, query = ''): Promise<SessionView | undefined> {
  const answer = await world.daemon.fetch(`/api/sessions?limit=1000&${query}`);
  const { sessions } = (await answer.json()) as { sessions: unknown[] };
  return sessions.map((one) => sessionViewSchema.parse(one)).find(({ id }) => id === sessionId);
}

const isListed = async (sessionId: string, query: string): Promise<boolean> =>
  (await listed(sessionId, query)) !== undefined;

const statusOf = (client: WireClient, sessionId: string, expected: object, from = 0) =>
  client.waitFor(({ type, data }) => {
    if (type !== 'sessionStatus' || data.sessionId !== sessionId) return false;
    return Object.entries(expected).every(([field, value]) => data[field] === value);
  }, from);

/** Another program finds this in the conversation, sooner or later. */
async function untilAtDesk(sessionId: string, expected: object): Promise<void> {
  const conversation = await conversationOf(sessionId);
  await waitUntil('the conversation has the labels', async () => {
    const seen = await atDesk(world.daemon, conversation);
    return Object.entries(expected).every(([field, value]) => new Map(Object.entries(seen)).get(field) === value);
  });
}

function transcriptOf(claudeSessionId: string): string {
  const projects = join(dirname(world.daemon.home), 'home/.claude/projects');
  const found = readdirSync(projects, { recursive: true, encoding: 'utf8' });
  return join(projects, found.find((name) => name.endsWith(`${claudeSessionId}.jsonl`)) ?? '');
}

describe('given on a device', () => {
  test('tag and archive mark reach every device and the conversation, survive a crash, and are in lists', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const other = await world.connect({ deviceId: 'tablet' });
    await other.request('subscribe', { events: ['*'] });
    const sessionId = await open(client);
    const refusals: [object, string][] = [
      [{ tag: 'two\nlines' }, 'tag'],
      [{ tag: 'x'.repeat(101) }, 'tag'],
      [{ tag: 1 }, 'tag'],
      [{ tag: 'ok', archived: 'yes' }, 'archived'],
    ];
    for (const [changes, field] of refusals) {
      const refused = await patch(sessionId, changes);
      expect(errorBodySchema.parse(await refused.json()).error.details?.field).toBe(field);
    }
    expect(await viewOf(sessionId)).not.toHaveProperty('tag');

    // Before there is a conversation.
    expect(await (await patch(sessionId, { tag: ' release ' })).json()).toMatchObject({ tag: 'release' });
    await statusOf(other, sessionId, { tag: 'release' });
    await turn(client, sessionId);
    await untilAtDesk(sessionId, { tag: 'release' });

    const answered = await patch(sessionId, { archived: true });
    expect(await answered.json()).toMatchObject({ tag: 'release', archived: true });
    await statusOf(other, sessionId, { tag: 'release', archived: true });
    await untilAtDesk(sessionId, { tag: 'release', archived: true });
    expect(await isListed(sessionId, 'archived=true&tag=release')).toBe(true);
    expect(await isListed(sessionId, 'archived=false')).toBe(false);
    expect(await isListed(sessionId, 'tag=')).toBe(false);

    const terminal = runInTerminal({ args: ['sessions'], home: world.daemon.home });
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.stdout()).toContain(' #release archived');

    await world.daemon.restart('SIGKILL');
    expect(await listed(sessionId)).toMatchObject({ tag: 'release', archived: true });
    const again = await world.connect({ deviceId: 'phone' });
    await turn(again, sessionId);
    expect(await listed(sessionId, 'archived=false')).toMatchObject({ tag: 'release' });
    await untilAtDesk(sessionId, { tag: 'release', archived: false });

    // From another program, while the child runs.
    await atDesk(world.daemon, await conversationOf(sessionId), ['tagSession', 'desk']);
    await waitUntil('the list has the tag', () => isListed(sessionId, 'tag=desk'));
    await patch(sessionId, { tag: 'release' });

    // The next conversation gets the tag too.
    await turn(again, sessionId, '/clear');
    await turn(again, sessionId);
    await untilAtDesk(sessionId, { tag: 'release' });
    await patch(sessionId, { tag: '' });
    await untilAtDesk(sessionId, { tag: undefined });
    expect(await listed(sessionId, 'tag=')).not.toHaveProperty('tag');
  });

  test('they reach the conversation through the next daemon when this one dies before it has written them', async () => {
    const client = await world.connect();
    const sessionId = await open(client);
    await turn(client, sessionId);
    await world.daemon.kill('SIGKILL');
    rewriteRecord(world.daemon.home, sessionId, (record) => ({
      ...record,
      name: 'Not told',
      nameUntold: true,
      tag: 'late',
      tagUntold: true,
      archived: { is: true, at: Date.now() },
      archivedUntold: true,
    }));
    await world.daemon.start();
    await untilAtDesk(sessionId, { customTitle: 'Not told', tag: 'late', archived: true });
    expect(await viewOf(sessionId)).toMatchObject({ sessionName: 'Not told', tag: 'late', archived: true });

    // The archive mark that was given last holds, also when that was at a desk and the daemon still owes an earlier one.
    const conversation = await conversationOf(sessionId);
    await world.daemon.kill('SIGKILL');
    await atDesk(world.daemon, conversation, ['unarchiveSession'], ['archiveSession']);
    rewriteRecord(world.daemon.home, sessionId, (record) => ({
      ...record,
      archived: { is: false, at: Date.now() - 60_000 },
      archivedUntold: true,
    }));
    await world.daemon.start();
    await waitUntil('it is known', async () => (await viewOf(sessionId)).archived === true);
    await untilAtDesk(sessionId, { archived: true });
  });
});

describe('given at a desk while no CLI of the session runs', () => {
  test('name, tag and archive mark are in the next list, reach every device, and are cleaned', async () => {
    const client = await world.connect({ deviceId: 'phone' });
    const other = await world.connect({ deviceId: 'tablet' });
    await other.request('subscribe', { events: ['*'] });
    const sessionId = await open(client);
    await patch(sessionId, { sessionName: 'From the phone' });
    await turn(client, sessionId);
    const { commands } = ANSWERS.sessionCapabilities.parse(
      (await client.request('sessionCapabilities', { sessionId })).data,
    );
    const hasRename = commands.some(({ name }) => name === 'rename');
    await untilAtDesk(sessionId, { customTitle: 'From the phone' });
    await close(client, sessionId);
    const conversation = await conversationOf(sessionId);
    const { workingDirectory } = await viewOf(sessionId);
    if (hasRename) {
      await inTerminal(world.daemon, workingDirectory, '--resume', conversation, '/rename In a terminal');
      await waitUntil('the list has the name', async () => (await listed(sessionId))?.sessionName === 'In a terminal');
    }
    const given = [['renameSession', 'At the desk'], ['tagSession', 'desk'], ['archiveSession']] as const;
    await atDesk(world.daemon, conversation, ...given.map((one) => [...one] as [(typeof one)[0], ...string[]]));
    await waitUntil('the list has the name', async () => (await listed(sessionId))?.sessionName === 'At the desk');
    expect(await listed(sessionId)).toMatchObject({ tag: 'desk', archived: true });
    await statusOf(other, sessionId, { sessionName: 'At the desk', tag: 'desk', archived: true });

    // 2.1.197 leaves the mark to the transcript.
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    const typed = (text: string, timestamp: string) =>
      `${JSON.stringify({ type: 'user', timestamp, message: { role: 'user', content: text } })}\n`;
    const transcript = transcriptOf(conversation);
    const old = typed('Before it was archived', at(-60_000)) + typed('<command-name>/clear', at(1000));
    appendFileSync(transcript, `${old}${JSON.stringify({ type: 'custom-title', customTitle: 'Read' })}\n`);
    await waitUntil('the transcript is read', async () => (await viewOf(sessionId)).sessionName === 'Read');
    expect(await listed(sessionId, 'archived=true')).toMatchObject({ sessionName: 'Read' });
    appendFileSync(transcript, typed('Typed at the desk', at(1000)));
    await waitUntil('it is back', async () => !(await viewOf(sessionId)).archived);
    const marks = join(dirname(transcript), conversation);
    writeFileSync(join(marks, 'archived.json'), 'x'.repeat(1_000_000));
    rmSync(join(marks, 'custom-title.json'), { force: true });
    mkdirSync(join(marks, 'custom-title.json'));

    const hostile = { type: 'custom-title', customTitle: `\u001b[31mRed\u001b[0m\u202e ${'x'.repeat(1000)}\n` };
    const said = { type: 'something-else', input: { type: 'tag', tag: 'said' }, customTitle: 'Said' };
    const tag = { type: 'tag', tag: `a\u0007\nb${'y'.repeat(1000)}` };
    appendFileSync(
      transcript,
      `${JSON.stringify(hostile)}\n${JSON.stringify(tag)}\n${JSON.stringify(said)}\n{"type":"tag"`,
    );
    await waitUntil(
      'the list has the name',
      async () => (await listed(sessionId))?.sessionName?.startsWith('Red') === true,
    );
    const cleaned = await viewOf(sessionId);
    expect(cleaned.sessionName).toMatch(/^Red x+…$/);
    expect(cleaned.sessionName).toHaveLength(200);
    expect(cleaned.tag).toMatch(/^a by+…$/);
    expect(cleaned.tag).toHaveLength(100);

    appendFileSync(transcript, '\n');
    rmdirSync(join(marks, 'custom-title.json'));
    const undone = [['renameSession', 'Once more'], ['tagSession', null], ['unarchiveSession']] as const;
    await atDesk(
      world.daemon,
      conversation,
      ...undone.map((one) => [...one] as [(typeof one)[0], ...(string | null)[]]),
    );
    // A start looks too.
    const from = other.frames.length;
    await client.request('streamStart', { prompt: '', workingDirectory });
    const { data } = await statusOf(other, sessionId, { sessionName: 'Once more', status: 'idle' }, from);
    expect(data).not.toHaveProperty('tag');
    expect(data).not.toHaveProperty('archived');
    await turn(client, sessionId);
    expect(await atDesk(world.daemon, conversation)).toEqual({ customTitle: 'Once more', archived: false });
  });
});
