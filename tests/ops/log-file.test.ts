import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LogFile } from '../../config/log-file.js';
import { canMount, createSmallDisk } from '../faults/support/small-disk.js';

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

if (canMount()) {
  test('a full disk during a rotation loses only the lines of that time, and their number is reported', fullDisk);
} else {
  test('NOT RUN, since nothing can be mounted here: a log on a disk that is full', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

async function fullDisk(): Promise<void> {
  const disk = await createSmallDisk({ base: folder, home: join(folder, 'small'), root: folder }, 256 * 1024);
  const path = join(disk.home, 'a.log');
  const regained: number[] = [];
  const log = new LogFile({ path, maxBytes: MAX_BYTES, files: FILES, onRegained: (lost) => void regained.push(lost) });
  const write = async (when: string, lines: number) => {
    for (let line = 0; line < lines; line += 1) {
      log.write(`${when} ${line} ${'x'.repeat(40)}`);
      // It is written, or lost, by then; the next line opens the file again.
      await log.close();
    }
  };
  try {
    await write('before', 40);
    disk.fill();
    // More than what is left of a block, and than what a file may have.
    await write('meanwhile', 110);
    disk.free();
    await write('after', 40);
    expect(regained).toHaveLength(1);
    expect(regained[0]).toBeGreaterThan(0);
    const text = ['a.log.2', 'a.log.1', 'a.log'].map((name) => readFileSync(join(disk.home, name), 'utf8')).join('');
    const after = [...text.matchAll(/^after (\d+) /gm)].map(([, line]) => Number(line));
    expect(after.length).toBeGreaterThan(10);
    expect(after).toEqual(after.map((_, index) => 40 - after.length + index));
  } finally {
    disk.close();
  }
}
