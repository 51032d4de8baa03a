/** Line differences, patches and ignored files of turn diffs, each beside git's own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { patchText } from '../../services/model/patch-text.js';
import { patchOf, type Version } from '../../services/workspace/snapshot/file-patch.js';
import { parseIgnoreRules } from '../../services/workspace/snapshot/ignore-rules.js';
import { diffLines } from '../../services/workspace/snapshot/line-diff.js';
import { walkTree } from '../../services/workspace/snapshot/tree-walk.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'turn-patches-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const git = (...args: string[]): string => execFileSync('git', args, { cwd: folder, encoding: 'utf8' });

const version = (text: string | Uint8Array, mode: Version['mode'] = '100644'): Version => ({
  mode,
  content: Buffer.from(text),
});

const text = fc
  .array(fc.constantFrom('a', 'b', 'c', 'd', '', '+x', '-x', '\\ y', 'é\r'), { maxLength: 40 })
  .chain((lines) => fc.boolean().map((isEnded) => lines.join('\n') + (isEnded && lines.length > 0 ? '\n' : '')));

/** The number of lines that two texts have in common, in order, at most. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, () => 0);
  for (const line of a) {
    const next = [0];
    for (const [at, other] of b.entries())
      next.push(line === other ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0));
    row = next;
  }
  return row.at(-1) ?? 0;
}

const linesOf = (whole: string): string[] => whole.match(/[^\n]*\n|[^\n]+$/g) ?? [];

describe('a difference of lines', () => {
  test('is the smallest there is', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const { additions, deletions } = diffLines(before, after);
        const common = commonLength(linesOf(before), linesOf(after));
        expect([deletions, additions]).toEqual([linesOf(before).length - common, linesOf(after).length - common]);
      }),
    );
  });

  test('makes the new text of the old one, as git applies it', () => {
    const pairs = fc.sample(fc.tuple(text, text), 60).filter(([before, after]) => before !== after);
    const patches = pairs.map(([before, after], at) => {
      writeFileSync(join(folder, `f${at}`), before);
      return patchOf(`f${at}`, version(before), version(after))?.patch ?? '';
    });
    writeFileSync(join(folder, 'all.patch'), patches.join(''));
    git('init', '-q');
    git('apply', '--whitespace=nowarn', 'all.patch');
    for (const [at, [, after]] of pairs.entries()) expect(git('hash-object', `f${at}`)).toBe(hashOf(after));
  });

  test('of two texts that share little is made in a moment, also when it is not the smallest', () => {
    const lines = (seed: number) => Array.from({ length: 20_000 }, (_, at) => `${(at * seed) % 7919}\n`).join('');
    const beganAt = performance.now();
    const { additions, deletions, hunks } = diffLines(lines(31), lines(37));
    expect(performance.now() - beganAt).toBeLessThan(5000);
    expect(additions).toBe(deletions);
    expect(hunks.length).toBeGreaterThan(1000);
  });
});

const hashOf = (content: string): string =>
  execFileSync('git', ['hash-object', '--stdin'], { input: content, encoding: 'utf8', cwd: folder });

describe('the patch of a file', () => {
  test('tells what was created, removed, made executable or exchanged for a link', () => {
    expect(patchOf('a b.txt', undefined, version('x'))).toEqual({
      additions: 1,
      deletions: 0,
      patch:
        'diff --git a/a b.txt b/a b.txt\nnew file mode 100644\n--- /dev/null\n+++ b/a b.txt\t\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n',
    });
    expect(patchOf('e', undefined, version(''))?.patch).toBe('diff --git a/e b/e\nnew file mode 100644\n');
    expect(patchOf('e', version('1\n'), undefined)).toMatchObject({ additions: 0, deletions: 1 });
    expect(patchOf('e', version('1\n'), version('1\n', '100755'))).toEqual({
      additions: 0,
      deletions: 0,
      patch: 'diff --git a/e b/e\nold mode 100644\nnew mode 100755\n',
    });
    const exchanged = patchOf('e', version('1\n'), version('/etc', '120000'));
    expect(exchanged?.patch).toMatch(/deleted file mode 100644[\s\S]*-1[\s\S]*new file mode 120000[\s\S]*\+\/etc/);
    expect(patchOf('e', version('1\n'), version('1\n'))).toBeUndefined();
  });

  test('names what is binary, too large or unknown, without its lines', () => {
    const binary = patchOf('b', version('a\0b'), version('c'));
    expect(binary).toMatchObject({ omitted: 'binary', additions: 0, deletions: 0 });
    expect(binary?.patch).toContain('Binary files a/b and b/b differ\n');
    for (const content of ['large', 'unknown'] as const) {
      expect(patchOf('b', { mode: '100644', content }, version('c'))).toMatchObject({ omitted: content });
      expect(patchOf('b', { mode: '100644', content }, { mode: '100644', content })).toMatchObject({
        omitted: content,
      });
    }
  });

  test('cannot be forged by a name', () => {
    const name = 'x\n--- a/y\n+++ b/"z\\\u0001é';
    const quoted = '"a/x\\n--- a/y\\n+++ b/\\"z\\\\\\001é"';
    expect(patchOf(name, version('1\n'), version('2\n'))?.patch.split('\n')[1]).toBe(`--- ${quoted}`);
    expect(patchText({ path: name, patch: '' }).split('\n')).toEqual([
      `diff --git ${quoted} ${quoted.replace('a/x', 'b/x')}`,
      `--- ${quoted}`,
      `+++ ${quoted.replace('a/x', 'b/x')}`,
      '',
    ]);
  });
});

test('what a tool has reported can follow a change without lines', () => {
  writeFileSync(join(folder, 'run.sh'), 'echo\n');
  writeFileSync(join(folder, 'old.txt'), 'one\n');
  const executable = patchOf('run.sh', version('echo\n'), version('echo\n', '100755'));
  const made = patchText({ path: 'made.txt', patch: '@@ -0,0 +1 @@\n+made\n', isNew: true });
  const changed = patchText({ path: 'old.txt', patch: '@@ -1 +1 @@\n-one\n+two\n' });
  execFileSync('git', ['apply'], { cwd: folder, input: `${executable?.patch}${made}${changed}` });
  expect(readFileSync(join(folder, 'made.txt'), 'utf8')).toBe('made\n');
  expect(readFileSync(join(folder, 'old.txt'), 'utf8')).toBe('two\n');
});

describe('the rules of a .gitignore', () => {
  const RULES = [
    '*.log\n!keep.log\n',
    'build/\n',
    '/only-here\n',
    'a/b\n',
    '**/deep\n',
    'dir/**\n',
    'x/**/y\n',
    '# no\n\\#yes\n\\!bang\n',
    'trail  \nkept\\ \n',
    '[ab]?.t[^x]t\n',
    '*\n!*/\n!*.c\n',
    'crlf\r\n',
    'a*b*c*d\n',
    '/*\n!/src\n',
  ];
  const PATHS = [
    'a.log',
    'keep.log',
    'sub/keep.log',
    'build/x',
    'sub/build/x',
    'build',
    'only-here',
    'sub/only-here',
    'a/b',
    'sub/a/b',
    'q/deep',
    'deep',
    'dir/in/x',
    'dir/x',
    'x/y',
    'x/1/2/y',
    '#yes',
    '!bang',
    'trail',
    'kept ',
    'a1.txt',
    'b1.txt',
    'c1.tyt',
    'm.c',
    'sub/m.c',
    'crlf',
    'aXbYcZd',
    'src/main.c',
  ];

  test.each(RULES)('mean what they mean to git: %j', (rules) => {
    git('init', '-q');
    const ignores = parseIgnoreRules(rules);
    const ours = PATHS.filter((path) => {
      const names = path.split('/');
      const prefixes = names.map((_, at) => names.slice(0, at + 1));
      return prefixes.some((prefix) => ignores(prefix, prefix.length < names.length) === true);
    });
    // Each in a folder of its own, with the same rules.
    for (const [at, path] of PATHS.entries()) {
      mkdirSync(dirname(join(folder, `${at}`, path)), { recursive: true });
      writeFileSync(join(folder, `${at}`, '.gitignore'), rules);
      writeFileSync(join(folder, `${at}`, path), '');
    }
    const listed = git('ls-files', '-z', '--others', '--exclude-standard').split('\0');
    const theirs = PATHS.filter((path, at) => !listed.includes(`${at}/${path}`));
    expect(ours).toEqual(theirs);
  });

  test('take no longer for a pattern that explodes elsewhere', () => {
    const ignores = parseIgnoreRules(`${'*a'.repeat(40)}b\n`);
    const beganAt = performance.now();
    expect(ignores(['a'.repeat(250)], false)).toBeUndefined();
    expect(performance.now() - beganAt).toBeLessThan(500);
  });
});

describe('the files of a directory', () => {
  const keyOf = (path: string): string => {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  };
  const walk = (never: string[], allowSensitive = false): string[] => {
    const options = { directory: folder, key: keyOf(folder), never: new Set(never), allowSensitive };
    return Array.from(walkTree(options), ({ path }) => path);
  };

  test('are listed without those that hold secrets, by name or by what they are', () => {
    for (const path of ['a/key.pem', 'a/b.txt', '.env', '.ssh/id', 'home/journal', '.ENV.local', 'node_modules/x/y']) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), '');
    }
    expect(walk([])).toEqual(['a/b.txt', 'a/key.pem', 'home/journal']);
    expect(walk([keyOf(join(folder, 'a/key.pem')), keyOf(join(folder, 'home'))])).toEqual(['a/b.txt']);
    expect(walk([], true)).toEqual(['.ENV.local', '.env', '.ssh/id', 'a/b.txt', 'a/key.pem', 'home/journal']);
  });

  test('are not those of another directory in its place', () => {
    const options = { directory: folder, key: '1:1', never: new Set<string>(), allowSensitive: false };
    expect(() => walkTree(options).next()).toThrow('not the one that was opened');
  });
});
