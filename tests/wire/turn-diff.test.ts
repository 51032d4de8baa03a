/** What a turn has changed in files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Step, scenario } from '../support/scripted-api.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

interface Diff {
  sessionId: string;
  promptId: string;
  files: { path: string; additions: number; deletions: number }[];
  patch: string;
  truncated: boolean;
}

/** A session that may edit files in its project without asking. */
async function open(client: WireClient) {
  const project = world.daemon.project();
  const options = { permissionMode: 'acceptEdits' as const, allowedTools: ['Bash'] };
  const started = await client.request('streamStart', { prompt: '', workingDirectory: project, options });
  const { sessionId } = started.data;
  const say = async (...steps: Step[]) => {
    const sent = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
    const { promptId } = sent.data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    return promptId;
  };
  return { sessionId, say, at: (name: string) => join(project, name) };
}

const write = (file_path: string, content: string) => ({ name: 'Write', input: { file_path, content } });
const read = (file_path: string) => ({ name: 'Read', input: { file_path } });
const edit = (file_path: string, old_string: string, new_string: string) => ({
  name: 'Edit',
  input: { file_path, old_string, new_string },
});

const diffOf = async (sessionId: string, promptId: string) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}/prompts/${promptId}/diff`);
  return {
    status: response.status,
    body: (await response.json()) as Diff & { error: { code: string; details: object } },
  };
};

describe('the changes of a turn', () => {
  test('follow its end: each file with its lines, and the patch', async () => {
    const client = await world.connect();
    const { sessionId, say, at } = await open(client);
    writeFileSync(at('a.txt'), 'one\ntwo\nthree\n');
    const promptId = await say(
      { tools: [read(at('a.txt'))] },
      { tools: [edit(at('a.txt'), 'two', 'TWO\nmore'), write(at('new.txt'), 'n1\nn2\n')] },
      { tools: [edit(at('a.txt'), 'three', '3')] },
      { text: 'Done.' },
    );
    const event = await client.waitFor('turnDiff');
    const files = [
      { path: 'a.txt', additions: 3, deletions: 2 },
      { path: 'new.txt', additions: 2, deletions: 0 },
    ];
    const patch = [
      'diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n',
      '@@ -1,3 +1,4 @@\n one\n-two\n-three\n+TWO\n+more\n+3\n',
      'diff --git a/new.txt b/new.txt\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+n1\n+n2\n',
    ].join('');
    expect(event.data).toEqual({ sessionId, promptId, files, patch });
    const end = client.events(sessionId).find(({ type }) => type === 'streamComplete');
    expect(event.seq).toBeGreaterThan(end?.seq ?? 0);
    expect(await diffOf(sessionId, promptId)).toEqual({
      status: 200,
      body: { sessionId, promptId, files, patch, truncated: false },
    });
  });

  test('are none when no tool has changed a file; the whole diff is empty then', async () => {
    const client = await world.connect();
    const { sessionId, say, at } = await open(client);
    writeFileSync(at('a.txt'), 'one\n');
    const promptId = await say({ tools: [read(at('a.txt'))] }, { text: 'Read.' });
    const failed = await say({ tools: [edit(at('a.txt'), 'nowhere', 'x')] }, { text: 'Failed.' });
    await say({ text: 'Nothing.' });
    expect(client.events(sessionId).filter(({ type }) => type === 'turnDiff')).toEqual([]);
    for (const id of [promptId, failed]) {
      expect(await diffOf(sessionId, id)).toMatchObject({ status: 200, body: { files: [], patch: '' } });
    }
  });

  test('of a hundred files are one event, with the patch beside it', async () => {
    const client = await world.connect();
    const { sessionId, say, at } = await open(client);
    const names = Array.from({ length: 100 }, (_, index) => `file-${index}.txt`);
    const promptId = await say(
      { tools: names.map((name) => write(at(name), `${'line\n'.repeat(200)}`)) },
      { text: 'Written.' },
    );
    const event = await client.waitFor('turnDiff');
    expect(event.data.files).toEqual(names.sort().map((path) => ({ path, additions: 200, deletions: 0 })));
    expect(event.data).not.toHaveProperty('patch');
    const { body } = await diffOf(sessionId, promptId);
    expect(body.files).toHaveLength(100);
    expect(body.patch.match(/^\+line$/gm)).toHaveLength(20_000);
  });

  test('of a large file are whole over REST', async () => {
    const client = await world.connect();
    const { sessionId, at } = await open(client);
    const tool = { ...write(at('large.txt'), 'ä"\\\n'), repeat: { content: 100_000 } };
    const sent = await client.request('streamSend', {
      sessionId,
      prompt: scenario({ tools: [tool] }, { text: 'Ok.' }),
    });
    const { promptId } = sent.data;
    await client.waitFor(({ type, data }) => type === 'turnDiff' && data.promptId === promptId);
    const { body } = await diffOf(sessionId, promptId);
    expect(body.files).toEqual([{ path: 'large.txt', additions: 100_000, deletions: 0 }]);
    const text = readFileSync(at('large.txt'), 'utf8').trimEnd().split('\n');
    expect(body.patch).toBe(
      `diff --git a/large.txt b/large.txt\nnew file mode 100644\n--- /dev/null\n+++ b/large.txt\n@@ -0,0 +1,100000 @@\n${text.map((line) => `+${line}\n`).join('')}`,
    );
  });

  test('are complete after a restart in the turn, and of a turn that is interrupted', async () => {
    const client = await world.connect({ deviceId: 'differ' });
    const { sessionId, at } = await open(client);
    const sent = await client.request('streamSend', {
      sessionId,
      prompt: scenario(
        { tools: [write(at('a.txt'), 'a\n')] },
        { tools: [write(at('b.txt'), 'b\n')], gate: 'diff-1' },
        { text: 'Never.', gate: 'diff-2' },
      ),
    });
    const { promptId } = sent.data;
    await world.api.reached('diff-1');
    await client.waitFor('toolResult');
    const early = await diffOf(sessionId, promptId);
    expect(early).toMatchObject({ status: 409, body: { error: { code: 'CONFLICT', details: { field: 'promptId' } } } });
    await world.daemon.restart('SIGKILL');
    const later = await world.connect({ deviceId: 'differ' });
    world.api.release('diff-1');
    await world.api.reached('diff-2');
    await later.request('interrupt', { sessionId });
    const event = await later.waitFor('turnDiff');
    world.api.release('diff-2');
    const files = ['a.txt', 'b.txt'].map((path) => ({ path, additions: 1, deletions: 0 }));
    const patch = ['a', 'b'].map(
      (name) =>
        `diff --git a/${name}.txt b/${name}.txt\nnew file mode 100644\n--- /dev/null\n+++ b/${name}.txt\n@@ -0,0 +1 @@\n+${name}\n`,
    );
    expect(event.data).toEqual({ sessionId, promptId, files, patch: patch.join('') });
    expect((await diffOf(sessionId, promptId)).body.patch).toBe(patch.join(''));
  });

  test('are of the session that is asked: an unknown prompt, and one of another session, are refused', async () => {
    const client = await world.connect();
    const { sessionId, say } = await open(client);
    const promptId = await say({ text: 'Mine.' });
    const other = await open(client);
    expect(await diffOf(other.sessionId, promptId)).toMatchObject({
      status: 400,
      body: { error: { code: 'INVALID_REQUEST', details: { field: 'promptId' } } },
    });
    expect(await diffOf(sessionId, 'nobody')).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND', details: { field: 'promptId' } } },
    });
  });
});
