/** The version of the CLI as `welcome` says it: soon, and never a failure for long. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { CliVersion, UNKNOWN_VERSION } from '../../services/claude/cli/cli-status.js';

let folder: string;
let binary: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-version-'));
  binary = join(folder, 'claude');
  file = join(folder, 'claude-version.json');
  writeFileSync(binary, 'one');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a CLI that takes long to answer is unknown at once, and known when it has answered', async () => {
  let answer: (version: string) => void = () => {};
  const read = () =>
    new Promise<string>((resolve) => {
      answer = resolve;
    });
  const version = new CliVersion({ file, read });
  expect(await version.of(binary)).toBe(UNKNOWN_VERSION);
  answer('2.1.329');
  expect(await version.of(binary)).toBe('2.1.329');
});

test('the version is kept for the next daemon, and a CLI that was updated in place is asked again', async () => {
  let asked = 0;
  const read = async () => `2.1.${++asked}`;
  expect(await new CliVersion({ file, read }).of(binary)).toBe('2.1.1');
  const next = new CliVersion({ file, read });
  expect(await next.of(binary)).toBe('2.1.1');
  writeFileSync(binary, 'another');
  expect(await next.of(binary)).toBe('2.1.2');
  writeFileSync(file, '{"identity": ');
  expect(await new CliVersion({ file, read }).of(binary)).toBe('2.1.3');
});

test('an answer that was none is not remembered by the next daemon, and many ask once', async () => {
  let asked = 0;
  const read = async () => {
    asked += 1;
    return undefined;
  };
  const version = new CliVersion({ file, read });
  const all = await Promise.all([version.of(binary), version.of(binary), version.of(binary)]);
  expect(all).toEqual([UNKNOWN_VERSION, UNKNOWN_VERSION, UNKNOWN_VERSION]);
  expect(await version.of(binary)).toBe(UNKNOWN_VERSION);
  expect(asked).toBe(1);
  expect(await new CliVersion({ file, read: async () => '2.1.197' }).of(binary)).toBe('2.1.197');
});
