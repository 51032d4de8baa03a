import { expect, test } from '@jest/globals';
import { findJoined } from '../../services/claude/stream/fact-reader.js';

const MIB = 1024 * 1024;
const BLOCK = 4096;

test('half a line with a whole one behind it gives the whole one', () => {
  const half = Buffer.from(`{"type":"assistant","message":"${'x'.repeat(BLOCK)}`).subarray(0, BLOCK);
  const bytes = Buffer.concat([half, Buffer.from('{"type":"control_cancel_request","request_id":"r"}')]);
  expect(findJoined({ offset: 0, end: bytes.length + 1, bytes, seams: [] })).toMatchObject({
    kind: 'message',
    message: { request_id: 'r' },
  });
});

test.each([
  ['a brace at each block', () => Buffer.alloc(32 * MIB, `{${' '.repeat(BLOCK - 1)}`)],
  ['an open object at each block', () => Buffer.alloc(32 * MIB, `{"a":"${'b'.repeat(BLOCK - 8)}",`)],
  ['a string that never ends at each block', () => Buffer.alloc(32 * MIB, `{"${'b'.repeat(BLOCK - 2)}`)],
])('%s does not make the search quadratic: 32 MiB take no longer than some parses of it', (_, make) => {
  const bytes = make();
  const started = performance.now();
  JSON.stringify(bytes.toString('utf8'));
  const once = Math.max(20, performance.now() - started);
  const before = performance.now();
  expect(findJoined({ offset: 0, end: bytes.length + 1, bytes, seams: [] })).toBeUndefined();
  expect(performance.now() - before).toBeLessThan(40 * once);
});
