/** Files that programs obey by themselves are written with the scope `approve` alone. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { locateCli } from '../../services/claude/cli/cli-status.js';
import { isObeyed, OBEYED_FILES, OBEYED_FOLDERS } from '../../services/workspace/protected-names.js';
import { askOver, pairDevice } from '../support/identity-world.js';
import { useWorld } from '../support/world.js';

// No session here has a turn: its child need not be the real CLI.
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

let withoutApprove = '';
let withApprove = '';

beforeAll(async () => {
  const writer = await pairDevice(world.daemon, { scopes: ['read', 'prompt', 'files'] });
  const approver = await pairDevice(world.daemon, { scopes: ['read', 'prompt', 'files', 'approve'] });
  withoutApprove = writer.accessToken;
  withApprove = approver.accessToken;
});

/** A session in a directory below the root, with what `make` puts into it. */
async function open(name: string, make: (directory: string) => void = () => {}) {
  const directory = world.daemon.project(name);
  make(directory);
  const body = { workingDirectory: directory };
  const { body: view } = await askOver<{ id: string }>(world.daemon, 'POST', '/api/sessions', {
    token: withApprove,
    body,
  });
  const over = (method: string, path: string, token = withoutApprove) =>
    askOver(
      world.daemon,
      method,
      `/api/sessions/${view.id}/files/${path.split('/').map(encodeURIComponent).join('/')}`,
      {
        token,
        ...((method === 'PUT' || method === 'POST') && { body: { content: 'x' } }),
      },
    );
  return { directory, over };
}

const REFUSED = {
  status: 403,
  body: {
    error: { code: 'PERMISSION_DENIED', details: { field: 'path', rule: expect.stringContaining('scope approve') } },
  },
};

const OBEYED = [
  '.claude/settings.json',
  '.claude/settings.local.json',
  '.claude/commands/deploy.md',
  '.claude/agents/a.md',
  '.claude/skills/s/SKILL.md',
  '.claude/hooks/h.sh',
  '.claude/output-styles/o.md',
  '.claude/workflows/w.js',
  '.claude/rules/r.md',
  '.claude/new-in-a-later-version.json',
  '.claude',
  'deep/down/.claude/settings.json',
  '.mcp.json',
  'CLAUDE.md',
  'sub/CLAUDE.local.md',
  'AGENTS.md',
  '.git/hooks/pre-commit',
  '.git/config',
  '.git/info/attributes',
  '.git',
  'sub/.git/config',
  'HEAD',
  'bare/HEAD',
  '.gitmodules',
  '.gitattributes',
  '.husky/pre-commit',
  '.vscode/tasks.json',
  '.bashrc',
  '.npmrc',
];

const SPELLINGS = [
  '.Claude/settings.json',
  '.CLAUDE/Settings.JSON',
  '.cla\u200bude/settings.json',
  '.claude\u200d/settings.json',
  '.\uff43laude/settings.json',
  '.claude./settings.json',
  '.claude /settings.json',
  '.claude::$INDEX_ALLOCATION/settings.json',
  'CLAUDE~1/settings.json',
  'GIT~1/config',
  '.GIT/hooks/pre-commit',
  '.g\u0131t/config',
  '.hu\u017fky/pre-commit',
  '.mcp.json:$DATA',
  'claude.MD',
  'Head',
];

describe('with the scope files and without approve', () => {
  test.each([...OBEYED, ...SPELLINGS])('S2: %j is neither made nor replaced nor removed', async (path) => {
    const { directory, over } = await open('refused');
    expect(await over('PUT', path)).toMatchObject(REFUSED);
    expect(await over('POST', path)).toMatchObject(REFUSED);
    expect(await over('DELETE', path)).toMatchObject(REFUSED);
    expect(existsSync(join(directory, path.split('/')[0] ?? ''))).toBe(false);
  });

  test.each([
    'src/index.ts',
    'package.json',
    'Makefile',
    'docs/claude.txt',
    '.gitignore',
    'heads/a',
    'notes~backup.txt',
  ])('%s is written like any other file', async (path) => {
    const { over } = await open('plain');
    expect((await over('PUT', path)).status).toBe(201);
    expect((await over('DELETE', path)).status).toBe(200);
  });

  test('S2: a link to a folder that is obeyed does not help', async () => {
    const { directory, over } = await open('link-to', (at) => {
      mkdirSync(join(at, '.claude'));
      symlinkSync('.claude', join(at, 'harmless'));
    });
    expect(await over('PUT', 'harmless/settings.json')).toMatchObject(REFUSED);
    expect(existsSync(join(directory, '.claude/settings.json'))).toBe(false);
  });

  test('S2: what is obeyed under the name of a link that leads to it is refused under its own name', async () => {
    const { directory, over } = await open('link-from', (at) => {
      mkdirSync(join(at, 'conf/hooks'), { recursive: true });
      writeFileSync(join(at, 'conf/notes.md'), 'as it was');
      symlinkSync('conf', join(at, '.claude'));
      mkdirSync(join(at, 'sub'));
      symlinkSync('../conf/notes.md', join(at, 'sub/CLAUDE.md'));
      symlinkSync('sub/other.md', join(at, 'AGENTS.md'));
      writeFileSync(join(at, 'sub/other.md'), 'as it was');
    });
    for (const path of ['conf/settings.json', 'conf/hooks/h.sh', 'conf/notes.md', 'sub/other.md']) {
      expect(await over('PUT', path)).toMatchObject(REFUSED);
    }
    expect(readFileSync(join(directory, 'conf/notes.md'), 'utf8')).toBe('as it was');
    expect((await over('PUT', 'sub/free.md')).status).toBe(201);
  });

  test('S2: what is not there yet is refused where a link of such a name leads to it', async () => {
    const { directory, over } = await open('link-to-nothing', (at) => {
      mkdirSync(join(at, 'sub'));
      symlinkSync('later.md', join(at, 'sub/CLAUDE.md'));
      symlinkSync('conf', join(at, '.claude'));
    });
    for (const path of ['sub/later.md', 'conf/settings.json']) expect(await over('PUT', path)).toMatchObject(REFUSED);
    expect(existsSync(join(directory, 'sub/later.md'))).toBe(false);
    expect(existsSync(join(directory, 'conf'))).toBe(false);
  });

  test('S2: a session inside such a folder is no way around', async () => {
    const { over } = await open('inside/.claude');
    expect(await over('PUT', 'settings.json')).toMatchObject(REFUSED);
  });

  test('a checkout that the CLI made below .claude/worktrees is a project of its own', async () => {
    const { over } = await open('tree/.claude/worktrees/one');
    expect((await over('PUT', 'src/a.ts')).status).toBe(201);
    expect(await over('PUT', '.claude/settings.json')).toMatchObject(REFUSED);
  });

  test('S2: reading is not writing: what is obeyed can be read', async () => {
    const { over } = await open('read', (at) => writeFileSync(join(at, 'CLAUDE.md'), 'hello'));
    expect(await over('GET', 'CLAUDE.md')).toMatchObject({ status: 200, body: { content: 'hello' } });
  });
});

test.each(OBEYED.filter((path) => !['.claude', '.git'].includes(path)))(
  '%s is written with the scope approve',
  async (path) => {
    const { over } = await open('approved');
    expect((await over('PUT', path, withApprove)).status).toBe(201);
    expect((await over('DELETE', path, withApprove)).status).toBe(200);
  },
);

/** The lists in the CLI of what its own tools write only after asking, whatever the mode: `[".gitconfig",…]`, `[".git",…]`. */
function protectedByCli(): string[] {
  const binary = process.env.TEST_CLAUDE_PATH ?? locateCli({ path: '' }) ?? '';
  const program = readFileSync(binary);
  return ['[".gitconfig",".gitmodules",', '[".git",".vscode",'].flatMap((start) => {
    const at = program.indexOf(start);
    const list = program.subarray(at, program.indexOf(']', at) + 1).toString('latin1');
    return JSON.parse(list) as string[];
  });
}

test('S2: what the CLI protects from its own tools is protected from clients', () => {
  const names = protectedByCli();
  expect(names).toEqual(expect.arrayContaining(['.mcp.json', '.bashrc', '.git', '.vscode']));
  expect(names.filter((name) => !isObeyed(`/project/${name}`))).toEqual([]);
});

test('SECURITY.md names every folder and file that is obeyed', () => {
  const text = readFileSync(join(import.meta.dirname, '../../SECURITY.md'), 'utf8').toLowerCase();
  const missing = [...OBEYED_FOLDERS, ...OBEYED_FILES].filter((name) => !text.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});
