import { expect, test } from '@jest/globals';
import { parseCliLine } from '../../services/claude/stream/cli-lines.js';

test.each([
  ['noise with half of a character escaped', '\\ud800 is not JSON'],
  ['a string', '"\\ud800"'],
  ['half an object', '{"type":"user","message":"\\udc00'],
  ['a list', '["\\ud800"]'],
])('O1: %s is garbage', (_, line) => {
  expect(parseCliLine(Buffer.from(line))).toEqual({ kind: 'garbage' });
});

test('half of a character that is escaped in a message is replaced', () => {
  const line = String.raw`{"type":"result","subtype":"success","num_turns":1,"result":"\ud83d!"}`;
  expect(parseCliLine(Buffer.from(line))).toMatchObject({ kind: 'message', message: { result: '\ufffd!' } });
});
