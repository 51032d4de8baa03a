/** What a session has changed: by git where there is a repository, by its turns elsewhere. */
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type SessionDiff, sessionDiffViewSchema } from '../../protocol/files.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const PERSON = ['-c', 'user.name=A', '-c', 'user.email=a@b.c', '-c', 'init.defaultBranch=main'];

async function open(project = world.daemon.project()) {
  const client = await world.connect();
  const options = { permissionMode: 'acceptEdits' as const };
  const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory: project, options })).data;
  const say = async (...steps: Step[]) => {
    const { promptId } = (await client.request('streamSend', { sessionId, prompt: scenario(...steps) })).data;
    await client.waitFor(({ type, data }) => type === 'turnDiff' && data.promptId === promptId);
  };
  const ask = (query: string, headers: Record<string, string> = {}) =>
    world.daemon.fetch(`/api/sessions/${sessionId}/diff${query}`, { headers });
  const diff = async (query = ''): Promise<SessionDiff> => {
    const response = await ask(query);
    expect([query, response.status]).toEqual([query, 200]);
    return sessionDiffViewSchema.strict().parse(await response.json());
  };
  const git = (...args: string[]) => execFileSync('git', [...PERSON, ...args], { cwd: project, encoding: 'utf8' });
  return { sessionId, project, say, ask, diff, git, at: (name: string) => join(project, name) };
}

const shortly = ({ files }: SessionDiff) =>
  files.map(({ path, status, additions, deletions, omitted }) =>
    [path, status, additions, deletions, omitted].join(' '),
  );
const write = (file_path: string, content: string) => ({ name: 'Write', input: { file_path, content } });

test('in a repository it is what is not committed, new files too, and git applies the patch', async () => {
  const { sessionId, at, git, diff, ask, say, project } = await open();
  git('init', '-q');
  expect(await diff()).toEqual({ sessionId, source: 'git', files: [], patch: '', truncated: false });
  mkdirSync(at('sub'));
  for (const name of ['a.txt', 'b.txt', 'sub/c "d"\té.txt', '.gitignore']) writeFileSync(at(name), `${name}\n`);
  writeFileSync(at('.gitignore'), 'ignored\n');
  git('add', '-A');
  git('commit', '-qm', 'first');
  const head = git('rev-parse', 'HEAD').trim();
  await say({ tools: [write(at('sub/new.txt'), 'n1\nn2\n')] }, { text: 'Done.' });
  writeFileSync(at('a.txt'), 'A\n');
  rmSync(at('b.txt'));
  writeFileSync(at('sub/c "d"\té.txt'), 'other\n');
  writeFileSync(at('bytes'), Buffer.from([0, 1, 2]));
  for (const name of ['ignored', '.env']) writeFileSync(at(name), 'SECRET-VALUE\n');
  linkSync(join(world.daemon.home, 'keys.json'), at('linked.json'));
  const whole = await diff();
  expect(whole).toMatchObject({ sessionId, source: 'git', base: head, truncated: false });
  expect(shortly(whole)).toEqual([
    'a.txt modified 1 1 ',
    'b.txt deleted 0 1 ',
    'bytes added 0 0 binary',
    'sub/c "d"\té.txt modified 1 1 ',
    'sub/new.txt added 2 0 ',
  ]);
  expect(whole.patch).not.toMatch(/SECRET|signingKey|linked/);
  const raw = await ask('', { accept: 'text/x-diff' });
  expect(raw.headers.get('content-type')).toBe('text/x-diff; charset=utf-8');
  expect(await raw.text()).toBe(whole.patch);
  expect(shortly(await diff('?path=sub/'))).toEqual(['sub/c "d"\té.txt modified 1 1 ', 'sub/new.txt added 2 0 ']);
  expect((await diff('?path=b.txt')).patch).toContain('deleted file mode');
  // The patch makes the working tree of the commit, but for what it has no lines of.
  const text = whole.patch.replace(/^diff --git a\/bytes[\s\S]*?(?=^diff)/m, '');
  rmSync(at('bytes'));
  git('stash', '-q', '--include-untracked');
  execFileSync('git', ['apply'], { cwd: project, input: text });
  expect((await diff()).patch).toBe(text);
  for (const [query, code] of [
    ['?path=../x', 'INVALID_REQUEST'],
    ['?path=.env', 'PERMISSION_DENIED'],
    ['?path=', 'INVALID_REQUEST'],
  ] as const) {
    expect(await (await ask(query)).json()).toMatchObject({ error: { code, details: { field: 'path' } } });
  }
  const scratch = join(world.daemon.home, 'scratch');
  expect(existsSync(scratch) ? readdirSync(scratch) : []).toEqual([]);
});

test('of a directory within a repository it is what is in that directory', async () => {
  const { at, git, project } = await open();
  git('init', '-q');
  mkdirSync(at('part'));
  writeFileSync(at('part/a.txt'), 'a\n');
  writeFileSync(at('b.txt'), 'b\n');
  const inner = await open(join(project, 'part'));
  const found = await inner.diff();
  expect(found).toMatchObject({ source: 'git', truncated: false });
  expect(found).not.toHaveProperty('base');
  expect(shortly(found)).toEqual(['a.txt added 1 0 ']);
});

test('S2: the settings of the repository start nothing', async () => {
  const { at, git, diff } = await open();
  git('init', '-q');
  writeFileSync(at('a.txt'), 'a\n');
  writeFileSync(at('.gitattributes'), '* filter=evil diff=evil\n');
  git('add', '-A');
  git('commit', '-qm', 'first');
  const run = at('run.sh');
  writeFileSync(run, `#!/bin/sh\ntouch ${at('ran')}\ncat\n`, { mode: 0o755 });
  for (const key of ['core.fsmonitor', 'filter.evil.clean', 'diff.evil.textconv', 'diff.evil.command', 'diff.external'])
    git('config', key, run);
  writeFileSync(at('a.txt'), 'A\n');
  expect(shortly(await diff())).toEqual(['a.txt modified 1 1 ', 'run.sh added 3 0 ']);
  expect(existsSync(at('ran'))).toBe(false);
});

test('elsewhere it is what its turns have changed, in their order', async () => {
  const { sessionId, at, diff, say } = await open();
  expect(await diff()).toMatchObject({ source: 'turns', files: [], patch: '', truncated: false });
  await say({ tools: [write(at('a.txt'), 'one\n')] }, { text: 'Done.' });
  await say({ tools: [write(at('sub/b.txt'), 'b\n'), write(at('a.txt'), 'two\n')] }, { text: 'Done.' });
  const whole = await diff();
  expect(whole).toMatchObject({ sessionId, source: 'turns', truncated: false });
  expect(shortly(whole)).toEqual(['a.txt  2 1 ', 'sub/b.txt  1 0 ']);
  expect(whole.patch.match(/^diff --git .*$/gm)).toHaveLength(3);
  const part = await diff('?path=sub');
  expect(shortly(part)).toEqual(['sub/b.txt  1 0 ']);
  expect(part.patch.match(/^diff --git .*$/gm)).toEqual(['diff --git a/sub/b.txt b/sub/b.txt']);
});
