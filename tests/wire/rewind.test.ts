/** Files and conversations that go back to before a prompt. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Step, scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// A second session waits in line, and costs no CLI.
const world = useWorld({ environment: { MAX_PROCESSES: '1' } });
const openShared = useSharedSession(world, { permissionMode: 'acceptEdits', allowedTools: ['Bash'] });

const completed = (client: WireClient, promptId: string): Promise<Frame> =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

/** The session that the tests share: it may edit files in its project and run commands without asking. */
async function open(client: WireClient) {
  const { sessionId, directory: project } = await openShared(client);
  const say = async (...steps: Step[]) => {
    const sent = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
    const { promptId } = sent.data;
    await completed(client, promptId);
    await idle(client, sessionId);
    return promptId;
  };
  return { sessionId, say, at: (name: string) => join(project, name), project };
}

/** Resolves when the session's last status says that it is idle. */
async function idle(client: WireClient, sessionId: string): Promise<void> {
  const last = () => client.events(sessionId).findLast(({ type }) => type === 'sessionStatus');
  await client.waitFor(() => last()?.data.status === 'idle');
}

const read = (path: string) => readFileSync(path, 'utf8');
const edit = (file_path: string, old_string: string, new_string: string, text = 'Edited.') => [
  { tools: [{ name: 'Read', input: { file_path } }] },
  { tools: [{ name: 'Edit', input: { file_path, old_string, new_string } }] },
  { text },
];

/** What the API was sent last, as text. */
const known = () => JSON.stringify(world.api.requests.at(-1)?.messages);

describe('rewinding files', () => {
  test('restores what tools have edited, and removes what they have created; a dry run only says so', async () => {
    const client = await world.connect();
    const { sessionId, say, at } = await open(client);
    writeFileSync(at('a.txt'), 'one\ntwo\n');
    const first = await say(...edit(at('a.txt'), 'two', 'TWO', 'Edited for good.'));
    const input = { file_path: at('new.txt'), content: 'n\n' };
    const second = await say({ tools: [{ name: 'Write', input }] }, { text: 'Written.' });
    const ask = { sessionId, promptId: first, what: 'files' as const };
    const dry = await client.request('rewind', { ...ask, dryRun: true });
    expect(dry).toMatchObject({ type: 'rewound', data: { ...ask, canRewind: true, dryRun: true } });
    expect(dry.data.filesChanged).toEqual(expect.arrayContaining([at('a.txt'), at('new.txt')]));
    expect(read(at('a.txt'))).toBe('one\nTWO\n');
    expect(client.events(sessionId).filter(({ type }) => type === 'rewound')).toEqual([]);
    const one = await client.request('rewind', { ...ask, promptId: second });
    expect(one.data).toMatchObject({ canRewind: true, filesChanged: [at('new.txt')], insertions: 0, deletions: 1 });
    expect([read(at('a.txt')), existsSync(at('new.txt'))]).toEqual(['one\nTWO\n', false]);
    const all = await client.request('rewind', ask);
    expect(all.data).toMatchObject({ canRewind: true, filesChanged: [at('a.txt')], insertions: 1, deletions: 1 });
    expect(read(at('a.txt'))).toBe('one\ntwo\n');
    const event = await client.waitFor(
      ({ type, seq, data }) => type === 'rewound' && seq !== undefined && data.promptId === first,
    );
    expect(event.data).toEqual(all.data);
    expect(await say({ text: 'On.' })).not.toBe('');
    expect(known()).toContain('Edited for good.');
  });

  test('restores a file that a command has removed, if a tool had changed it before', async () => {
    const client = await world.connect();
    const { sessionId, say, at } = await open(client);
    writeFileSync(at('a.txt'), 'one\n');
    writeFileSync(at('b.txt'), 'unknown to Claude\n');
    await say(...edit(at('a.txt'), 'one', 'two'));
    const tools = [{ name: 'Bash', input: { command: 'rm a.txt b.txt', description: 'x' } }];
    const promptId = await say({ tools }, { text: 'Ran.' });
    const rewound = await client.request('rewind', { sessionId, promptId, what: 'files' });
    expect(rewound.data).toMatchObject({ canRewind: true, filesChanged: [at('a.txt')], insertions: 1 });
    expect([read(at('a.txt')), existsSync(at('b.txt'))]).toEqual(['two\n', false]);
  });

  test('leaves alone what a person has changed in a git tree, and git itself', async () => {
    const client = await world.connect();
    const { sessionId, say, at, project } = await open(client);
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], { cwd: project, encoding: 'utf8' });
    writeFileSync(at('a.txt'), 'one\n');
    writeFileSync(at('mine.txt'), 'old\n');
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'first');
    writeFileSync(at('mine.txt'), 'not committed\n');
    writeFileSync(at('a.txt'), 'not committed either\n');
    const promptId = await say(...edit(at('a.txt'), 'either', 'EITHER'));
    const before = git('status', '--porcelain');
    expect((await client.request('rewind', { sessionId, promptId, what: 'files' })).data.canRewind).toBe(true);
    expect([read(at('a.txt')), read(at('mine.txt'))]).toEqual(['not committed either\n', 'not committed\n']);
    expect(git('status', '--porcelain')).toBe(before);
    expect(git('log', '--oneline').trim().split('\n')).toHaveLength(1);
  });
});

describe('rewinding the conversation', () => {
  test('makes Claude forget the prompt and what followed, and keeps nothing that waits from running; the record keeps it, and the old conversation too', async () => {
    const client = await world.connect();
    const { sessionId, say, at, project } = await open(client);
    writeFileSync(at('a.txt'), 'one\n');
    await say({ text: 'Kept words.' });
    const promptId = await say(...edit(at('a.txt'), 'one', 'two', 'Words of an edit.'));
    await say({ text: 'Later words.' });
    const view = async () =>
      (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json() as Promise<{ claudeSessionId: string }>;
    const { claudeSessionId: old } = await view();
    const rewinding = client.request('rewind', { sessionId, promptId, what: 'conversation' });
    const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Next words.' }) });
    const rewound = await rewinding;
    expect(rewound).toMatchObject({
      type: 'rewound',
      data: { canRewind: true, what: 'conversation', filesChanged: [] },
    });
    expect((await completed(client, sent.data.promptId)).data.finalResult).toBe('Next words.');
    await idle(client, sessionId);
    expect(read(at('a.txt'))).toBe('two\n');
    expect(known()).toContain('Kept words.');
    expect(known()).not.toContain('Words of an edit.');
    expect(known()).not.toContain('Later words.');
    expect((await view()).claudeSessionId).not.toBe(old);
    await say({ text: 'More.' });
    expect(known()).toContain('Next words.');
    const history = await client.request('getMessageHistory', { sessionId });
    for (const words of ['Kept words.', 'Words of an edit.', 'Later words.', 'Next words.']) {
      expect(JSON.stringify(history.data.messages)).toContain(words);
    }
    expect(client.events(sessionId).filter(({ type }) => type === 'rewound')).toHaveLength(1);
    expect(client.events(sessionId).filter(({ type }) => type === 'error')).toEqual([]);
    const resumed = await client.request('streamStart', {
      prompt: scenario({ text: 'Back.' }),
      workingDirectory: project,
      options: { resume: old },
    });
    await completed(client, resumed.data.promptId);
    await idle(client, sessionId);
    expect(known()).toContain('Later words.');
    expect(known()).not.toContain('Next words.');
  });

  test('outlives a child that dies before the next prompt', async () => {
    const client = await world.connect();
    const { sessionId, say } = await open(client);
    await say({ text: 'Words before.' });
    const promptId = await say({ text: 'Gone words.' });
    await client.request('rewind', { sessionId, promptId, what: 'conversation' });
    await idle(client, sessionId);
    for (const pid of world.daemon.sessionProcesses(sessionId)) process.kill(pid, 'SIGKILL');
    await client.waitFor(({ type }) => type === 'error');
    await say({ text: 'Next.' });
    expect(known()).toContain('Words before.');
    expect(known()).not.toContain('Gone words.');
  });

  test('with a prompt that it does not have any more is not possible, which is said and changes nothing; to before its first prompt begins a new one, and with the files both go back', async () => {
    const client = await world.connect();
    const { sessionId, say, at, project } = await open(client);
    writeFileSync(at('a.txt'), 'one\n');
    const promptId = await say(...edit(at('a.txt'), 'one', 'two'));
    const from = client.frames.length;
    await client.request('streamStart', { prompt: '', workingDirectory: project, options: { preserveContext: false } });
    await client.waitFor(
      ({ type, data, seq }) => type === 'sessionStatus' && seq !== undefined && data.status === 'idle',
      from,
    );
    for (const what of ['files', 'conversation', 'both'] as const) {
      const refused = await client.request('rewind', { sessionId, promptId, what });
      expect(refused.data).toMatchObject({ canRewind: false, reason: expect.any(String), filesChanged: [] });
    }
    expect(read(at('a.txt'))).toBe('two\n');
    const first = await say(...edit(at('a.txt'), 'two', 'three', 'Edited first.'));
    const rewound = await client.request('rewind', { sessionId, promptId: first, what: 'both' });
    expect(rewound.data).toMatchObject({ canRewind: true, filesChanged: [at('a.txt')], insertions: 1, deletions: 1 });
    expect(read(at('a.txt'))).toBe('two\n');
    await say({ text: 'Anew.' });
    expect(known()).not.toContain('Edited first.');
  });
});

describe('what cannot be rewound', () => {
  test('is a prompt of another session, an unknown one, one that waits, and a busy session; nothing changes', async () => {
    const client = await world.connect();
    const { sessionId, say, at } = await open(client);
    writeFileSync(at('a.txt'), 'one\n');
    const promptId = await say(...edit(at('a.txt'), 'one', 'two'));
    const unknown = await client.request('rewind', { sessionId, promptId: 'nobody', what: 'both' });
    expect(unknown.data).toMatchObject({ code: 'NOT_FOUND', details: { field: 'promptId' } });
    const busy = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Busy.', gate: 'rewind' }) });
    await world.api.reached('rewind');
    const elsewhere = { prompt: '', workingDirectory: world.daemon.project() };
    const { sessionId: other } = (await client.request('streamStart', elsewhere)).data;
    const foreign = await client.request('rewind', { sessionId: other, promptId, what: 'both' });
    expect(foreign.data).toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'promptId', rule: 'must be a prompt of the session' },
    });
    await client.request('streamClose', { sessionId: other, reason: 'enough' });
    const waiting = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Waits.' }) });
    const queued = await client.request('rewind', { sessionId, promptId: waiting.data.promptId, what: 'both' });
    expect(queued.data).toMatchObject({ code: 'CONFLICT', details: { field: 'promptId' } });
    const during = await client.request('rewind', { sessionId, promptId, what: 'files' });
    expect(during.data).toMatchObject({ code: 'CONFLICT', details: { field: 'sessionId' } });
    world.api.release('rewind');
    await completed(client, busy.data.promptId);
    await completed(client, waiting.data.promptId);
    expect(read(at('a.txt'))).toBe('two\n');
    expect(client.events().filter(({ type }) => type === 'rewound')).toEqual([]);
  });

  test('is one of two at once; a daemon that is killed in the middle leaves a session that works; a prompt from before that and from before the CLI was started again can be', async () => {
    const client = await world.connect({ deviceId: 'later' });
    const other = await world.connect();
    const { sessionId, say, at, project } = await open(client);
    writeFileSync(at('a.txt'), 'one\n');
    writeFileSync(at('b.txt'), 'old\n');
    const before = await say(...edit(at('b.txt'), 'old', 'new'));
    const promptId = await say(...edit(at('a.txt'), 'one', 'ONE'));
    const ask = { sessionId, promptId, what: 'files' as const };
    const answers = await Promise.all([client.request('rewind', ask), other.request('rewind', ask)]);
    const done = answers.filter(({ type }) => type === 'rewound');
    const refused = answers.filter(({ type }) => type === 'error');
    // The second can also come when the first has ended.
    expect([done.length, refused.length]).toEqual(refused.length === 0 ? [2, 0] : [1, 1]);
    for (const { data } of refused) expect(data).toMatchObject({ code: 'CONFLICT', details: { field: 'sessionId' } });
    expect([read(at('a.txt')), read(at('b.txt'))]).toEqual(['one\n', 'new\n']);
    client.send('rewind', ask);
    await world.daemon.restart('SIGKILL');
    const later = await world.connect({ deviceId: 'later' });
    const started = await later.request('streamStart', {
      prompt: scenario({ text: 'Still here.' }),
      workingDirectory: project,
    });
    expect(started.data).toMatchObject({ sessionId, reused: true });
    expect((await completed(later, String(started.data.promptId))).data.finalResult).toBe('Still here.');
    await later.request('streamClose', { sessionId, reason: 'over' });
    await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 0);
    const without = await later.request('rewind', { ...ask, promptId: before });
    expect(without.data).toMatchObject({ code: 'CONFLICT', details: { field: 'sessionId' } });
    const from = later.frames.length;
    await later.request('streamStart', { prompt: '', workingDirectory: project });
    await later.waitFor(
      ({ type, data, seq }) => type === 'sessionStatus' && seq !== undefined && data.status === 'idle',
      from,
    );
    const rewound = await later.request('rewind', { ...ask, promptId: before });
    expect(rewound.data).toMatchObject({ canRewind: true, filesChanged: [at('b.txt')] });
    expect(read(at('b.txt'))).toBe('old\n');
  });
});
