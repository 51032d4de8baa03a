/** What a turn has changed in files by other ways than the tools that report it, and when. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { rewriteRecord } from '../support/rewrite-record.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const outside = mkdtempSync(join(tmpdir(), 'diff-outside-'));
afterAll(() => rmSync(outside, { recursive: true, force: true }));

interface Diff {
  files: { path: string; additions: number; deletions: number; omitted?: string }[];
  patch: string;
  truncated: boolean;
  partial?: boolean;
}

async function open(client: WireClient, prepare: (project: string) => void = () => {}) {
  const project = world.daemon.project();
  prepare(project);
  const options = { permissionMode: 'acceptEdits' as const, allowedTools: ['Bash'] };
  const started = await client.request('streamStart', { prompt: '', workingDirectory: project, options });
  const { sessionId } = started.data;
  const send = async (...steps: Step[]) => {
    const sent = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
    return sent.data.promptId;
  };
  const ended = (promptId: string) =>
    client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  const diffOf = async (promptId: string) => {
    const response = await world.daemon.fetch(`/api/sessions/${sessionId}/prompts/${promptId}/diff`);
    return (await response.json()) as Diff;
  };
  const run = async (command: string) => {
    const promptId = await send(bash(command), { text: 'Done.' });
    await ended(promptId);
    return diffOf(promptId);
  };
  return { project, sessionId, send, ended, diffOf, run, at: (name: string) => join(project, name) };
}

const bash = (command: string): Step => ({ tools: [{ name: 'Bash', input: { command, description: 'x' } }] });
const write = (file_path: string, content: string) => ({ name: 'Write', input: { file_path, content } });

/** Every entry below a folder, with its content and the times of its last change. */
function stateOf(folder: string): unknown[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .sort()
    .map((name) => {
      const stats = lstatSync(join(folder, name));
      return [name, stats.mtimeMs, stats.ctimeMs, stats.isFile() ? readFileSync(join(folder, name), 'latin1') : ''];
    });
}

describe('what a shell command changes in the turn', () => {
  test('is told with the lines and the patch, which git applies to what was there before', async () => {
    const client = await world.connect();
    const before = join(outside, 'before');
    const { project, sessionId, send, at } = await open(client, (path) => {
      writeFileSync(join(path, 'a.txt'), 'one\ntwo\nthree\n');
      writeFileSync(join(path, 'gone.txt'), 'x\ny\n');
      writeFileSync(join(path, 'run.sh'), 'echo\n');
      writeFileSync(join(path, 'image.bin'), 'a\0b');
      writeFileSync(join(path, 'large.txt'), 'z'.repeat(1_200_000));
      mkdirSync(join(path, 'deep/er'), { recursive: true });
      writeFileSync(join(path, 'deep/er/b.txt'), 'b\n');
      execFileSync('cp', ['-a', path, before]);
    });
    const command = [
      "sed -i s/two/TWO/ a.txt; rm gone.txt; chmod +x run.sh; printf 'n1\\nn2' > new.txt",
      'mv deep moved; ln -s /etc/passwd link; printf "c\\0" > image.bin; echo >> large.txt',
      'printf x > "$(printf \'line\\nbreak "q".txt\')"; printf y > "$(printf \'\\377.txt\')"; mkfifo pipe',
    ].join('; ');
    const promptId = await send(
      { tools: [write(at('tool.txt'), 'made\n')] },
      bash(command),
      { tools: [{ name: 'Read', input: { file_path: at('a.txt') } }] },
      { tools: [{ name: 'Edit', input: { file_path: at('a.txt'), old_string: 'three', new_string: '3' } }] },
      { text: 'Done.' },
    );
    const { data } = await client.waitFor(({ type, data }) => type === 'turnDiff' && data.promptId === promptId);
    expect(data).toEqual({
      sessionId,
      promptId,
      files: [
        { path: 'a.txt', additions: 2, deletions: 2 },
        { path: 'deep/er/b.txt', additions: 0, deletions: 1 },
        { path: 'gone.txt', additions: 0, deletions: 2 },
        { path: 'image.bin', additions: 0, deletions: 0, omitted: 'binary' },
        { path: 'large.txt', additions: 0, deletions: 0, omitted: 'large' },
        { path: 'line\nbreak "q".txt', additions: 1, deletions: 0 },
        { path: 'link', additions: 1, deletions: 0 },
        { path: 'moved/er/b.txt', additions: 1, deletions: 0 },
        { path: 'new.txt', additions: 2, deletions: 0 },
        { path: 'run.sh', additions: 0, deletions: 0 },
        { path: 'tool.txt', additions: 1, deletions: 0 },
      ],
      patch: expect.not.stringContaining('root:'),
    });
    const text = String(data.patch);
    const shown = text.split(/^(?=diff --git )/m).filter((part) => !/^(Binary f|F)iles .* differ$/m.test(part));
    writeFileSync(join(outside, 'turn.patch'), shown.join(''));
    execFileSync('git', ['apply', join(outside, 'turn.patch')], { cwd: before });
    for (const name of ['image.bin', 'large.txt', 'pipe']) {
      for (const folder of [before, project]) rmSync(join(folder, name), { force: true });
    }
    execFileSync('sh', ['-c', 'rm -f -- "$1"/$(printf "\\377.txt")', 'sh', project]);
    expect(execFileSync('git', ['diff', '--no-index', before, project], { encoding: 'utf8' })).toBe('');
    expect(lstatSync(join(before, 'run.sh')).mode & 0o111).not.toBe(0);
  });

  test('is found in a repository whose tree is dirty and whose configuration runs programs, and nothing there is touched', async () => {
    const client = await world.connect();
    const git = (cwd: string, ...args: string[]) => execFileSync('git', args, { cwd, encoding: 'utf8' });
    const { project, run, at } = await open(client, (path) => {
      git(path, 'init', '-q');
      for (const name of ['clean.txt', 'dirty.txt', 'staged.txt', 'reverted.txt'])
        writeFileSync(join(path, name), '1\n');
      writeFileSync(join(path, '.gitignore'), 'ignored/\n*.log\n');
      git(path, 'add', '-A');
      git(path, '-c', 'user.name=x', '-c', 'user.email=x@x', 'commit', '-q', '-m', 'x');
      for (const name of ['dirty.txt', 'staged.txt', 'reverted.txt']) writeFileSync(join(path, name), '1\n2\n');
      git(path, 'add', 'staged.txt');
    });
    const reverted = await run('git checkout -q -- reverted.txt');
    expect(reverted.files).toEqual([{ path: 'reverted.txt', additions: 0, deletions: 1 }]);
    const marker = join(outside, 'ran');
    writeFileSync(join(outside, 'evil.sh'), `#!/bin/sh\ntouch ${marker}\ncat\n`);
    chmodSync(join(outside, 'evil.sh'), 0o755);
    for (const key of [
      'core.fsmonitor',
      'filter.evil.clean',
      'filter.evil.smudge',
      'diff.evil.textconv',
      'core.pager',
    ]) {
      git(project, 'config', key, join(outside, 'evil.sh'));
    }
    writeFileSync(at('.gitattributes'), '* filter=evil diff=evil\n');
    await waitUntil('that was a while ago', () => Date.now() > statSync(at('.gitattributes')).ctimeMs + 20);
    const known = stateOf(at('.git'));
    const diff = await run(
      'for f in clean dirty staged; do echo 3 >> $f.txt; done; mkdir ignored; echo > ignored/x; echo > y.log',
    );
    expect(diff.files).toEqual(
      ['clean.txt', 'dirty.txt', 'staged.txt'].map((path) => ({ path, additions: 1, deletions: 0 })),
    );
    expect(diff.patch).toContain('--- a/dirty.txt\n+++ b/dirty.txt\n@@ -1,2 +1,3 @@\n 1\n 2\n+3\n');
    expect(stateOf(at('.git'))).toEqual(known);
    expect(existsSync(marker)).toBe(false);
  });

  test('does not lead out of the directory, nor to files that hold secrets', async () => {
    const client = await world.connect();
    const elsewhere = join(outside, 'elsewhere');
    mkdirSync(elsewhere);
    const { send, ended, diffOf, at } = await open(client, (path) => {
      symlinkSync(elsewhere, join(path, 'way-out'));
      writeFileSync(join(path, '.env'), 'KEY=secret\n');
      mkdirSync(join(path, 'folder'));
      writeFileSync(join(path, 'folder/in.txt'), 'in\n');
    });
    const promptId = await send(bash('true'), { text: 'Done.', gate: 'links' });
    await world.api.reached('links');
    writeFileSync(at('way-out/x'), 'secret\n');
    writeFileSync(at('.env'), 'KEY=secret2\n');
    rmSync(at('folder'), { recursive: true });
    symlinkSync(elsewhere, at('folder'));
    linkSync(join(elsewhere, 'x'), at('named'));
    world.api.release('links');
    await ended(promptId);
    const diff = await diffOf(promptId);
    expect(diff.files).toEqual([
      { path: 'folder', additions: 1, deletions: 0 },
      { path: 'folder/in.txt', additions: 0, deletions: 1 },
      { path: 'named', additions: 0, deletions: 0, omitted: 'unknown' },
    ]);
    expect(diff.patch).not.toContain('secret');
  });
});

describe('the time of a turn', () => {
  test('bounds its diff: what a person changes before and after is in none, what changes meanwhile is', async () => {
    const client = await world.connect();
    const { run, send, ended, diffOf, at } = await open(client, (path) => {
      for (const name of ['before', 'during', 'turn']) writeFileSync(join(path, name), '1\n');
    });
    expect((await run('echo 2 >> turn')).files).toEqual([{ path: 'turn', additions: 1, deletions: 0 }]);
    writeFileSync(at('before'), '1\n2\n');
    writeFileSync(at('turn'), '9\n');
    await waitUntil('that was a while ago', () => Date.now() > statSync(at('turn')).ctimeMs + 20);
    const promptId = await send(bash('echo 3 >> turn'), { text: 'Done.', gate: 'during' });
    await world.api.reached('during');
    writeFileSync(at('during'), '');
    const nextId = await send(bash('echo 4 >> turn; echo > next'), { text: 'Next.' });
    world.api.release('during');
    await ended(promptId);
    await ended(nextId);
    const [diff, next] = [await diffOf(promptId), await diffOf(nextId)];
    expect(diff.files).toContainEqual({ path: 'during', additions: 0, deletions: 1 });
    expect(diff.patch + next.patch).toContain(' 9\n+3\n');
    expect(next.files).toContainEqual({ path: 'next', additions: 1, deletions: 0 });
    for (const { files } of [diff, next]) expect(files.map(({ path }) => path)).not.toContain('before');
    const quiet = await send({ tools: [{ name: 'Read', input: { file_path: at('turn') } }] }, { text: 'Read.' });
    await ended(quiet);
    expect(await diffOf(quiet)).toMatchObject({ files: [], patch: '', truncated: false });
  });

  test('can be longer than a daemon: the diff is whole when it was killed in the turn, or before it was told', async () => {
    const client = await world.connect({ deviceId: 'killer' });
    const { sessionId, send, diffOf, at } = await open(client, (path) => writeFileSync(join(path, 'a'), '1\n'));
    const promptId = await send(bash('echo 2 >> a'), { ...bash('echo 3 > b'), gate: 'kill' }, { text: 'Done.' });
    await world.api.reached('kill');
    await world.daemon.restart('SIGKILL');
    world.api.release('kill');
    const later = await world.connect({ deviceId: 'killer' });
    await later.waitFor('turnDiff');
    const files = ['a', 'b'].map((path) => ({ path, additions: 1, deletions: 0 }));
    expect(await diffOf(promptId)).toMatchObject({ files, truncated: false });
    expect(await diffOf(promptId)).not.toHaveProperty('partial');

    await world.daemon.kill('SIGKILL');
    writeFileSync(at('a'), '1\n2\n3\n');
    const until = Date.now();
    rewriteRecord(world.daemon.home, sessionId, (record) => ({
      ...record,
      owedDiffs: [{ files: {}, prompts: [promptId as never], since: until - 1000, until }],
    }));
    await world.daemon.start();
    expect(await diffOf(promptId)).toMatchObject({ files: [{ path: 'a', additions: 1, deletions: 0 }] });
  });

  test('is told in part where its beginning is not known: what the tools have reported', async () => {
    const client = await world.connect({ deviceId: 'loser' });
    const { send, diffOf, at } = await open(client, (path) => writeFileSync(join(path, 'a'), '1\n'));
    const promptId = await send(
      bash('echo 2 >> a'),
      { tools: [write(at('b'), '1\n2\n')], gate: 'lose' },
      { text: 'Done.', gate: 'lose-end' },
    );
    await world.api.reached('lose');
    await world.daemon.kill('SIGKILL');
    rmSync(join(world.daemon.home, 'snapshots'), { recursive: true });
    writeFileSync(join(world.daemon.home, 'snapshots'), 'in the way');
    await world.daemon.start();
    const later = await world.connect({ deviceId: 'loser' });
    world.api.release('lose');
    world.api.release('lose-end');
    const { data } = await later.waitFor('turnDiff');
    const files = [{ path: 'b', additions: 2, deletions: 0 }];
    expect(data).toMatchObject({
      promptId,
      files,
      partial: true,
      patch: 'diff --git a/b b/b\nnew file mode 100644\n--- /dev/null\n+++ b/b\n@@ -0,0 +1,2 @@\n+1\n+2\n',
    });
    expect(await diffOf(promptId)).toMatchObject({ files, partial: true, truncated: false });
  });
});
