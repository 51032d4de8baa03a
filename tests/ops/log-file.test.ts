import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LogFile } from '../../config/log-file.js';

const MAX_BYTES = 1000;
const FILES = 3;
const LINES = 500;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a log that grows is put aside, the oldest is given up, and the newest lines are all there in order', async () => {
  const path = join(folder, 'a.log');
  for (let from = 0; from < LINES; from += 10) {
    const log = new LogFile({ path, maxBytes: MAX_BYTES, files: FILES });
    for (let line = from; line < from + 10; line += 1) log.write(`line ${line}`);
    await log.close();
  }
  expect(readdirSync(folder).sort((a, b) => a.localeCompare(b))).toEqual(['a.log', 'a.log.1', 'a.log.2']);
  const text = ['a.log.2', 'a.log.1', 'a.log'].map((name) => readFileSync(join(folder, name), 'utf8')).join('');
  const lines = text.trimEnd().split('\n');
  expect(lines).toEqual(lines.map((_, index) => `line ${LINES - lines.length + index}`));
  expect(text.length).toBeGreaterThan(2 * MAX_BYTES);
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).size).toBeLessThan(2 * MAX_BYTES);
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  }
});
