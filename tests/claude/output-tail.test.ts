import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { RawLine } from '../../services/claude/stream/line-splitter.js';
import { OutputTail } from '../../services/claude/stream/output-tail.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-tail-'));
const path = join(folder, 'stdout.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));

/** The lines that are read first, with what was done before; fails where they come before the constructor has returned. */
async function firstLines(content: string, meanwhile = () => {}): Promise<RawLine[]> {
  writeFileSync(path, content);
  let tail: OutputTail | undefined;
  const lines = await new Promise<RawLine[]>((resolve, reject) => {
    const onLines = async (read: RawLine[]) => (tail ? resolve(read) : reject(new Error('within the constructor')));
    tail = new OutputTail({ path, offset: 0, onLines, onError: reject });
    meanwhile();
  });
  tail?.close();
  return lines;
}

test('calls its owner only after its constructor has returned', async () => {
  expect(await firstLines('one\ntwo\n')).toHaveLength(2);
});

test('I1: half a line that was there is told from what is appended before the first read', async () => {
  const half = '{"type":"stream_event","event":{"ty';
  const [line] = await firstLines(half, () => appendFileSync(path, '{"type":"result"}\n'));
  expect(line?.seams).toEqual([half.length]);
});
