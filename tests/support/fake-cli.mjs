#!/usr/bin/env node
import { closeSync, existsSync, readFileSync, writeSync } from 'node:fs';
/**
 * Stands in for the CLI only where the real one cannot be made to misbehave: it writes what the prompt says.
 * The prompt is JSON: a list of acts `{raw: base64} | {file: path} | {line: object} | {bigResult: length} | {exit: code} | {closeInput: true} | {stderr: text} | {result: text} | {waitForAnswer: id}`.
 * What is no JSON it repeats as its result, or it does what `acts.json` in its directory says. While `hold-set_model` is
 * there, it does not answer a request of that name.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

if (process.argv.includes('--version')) {
  console.log('9.9.9 (Fake)');
  process.exit(0);
}
if (process.argv[2] === 'auth') {
  console.log('{"loggedIn": true}');
  process.exit(0);
}

const write = (bytes) => {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
};
const say = (line) => write(Buffer.from(`${JSON.stringify(line)}\n`));
const session_id = '11111111-1111-4111-8111-111111111111';

const RESULT = { type: 'result', subtype: 'success', is_error: false, duration_ms: 1, num_turns: 1, session_id };

function bigResult(length) {
  const content = [{ type: 'tool_result', tool_use_id: 't1', content: 'B'.repeat(length), is_error: false }];
  return { type: 'user', message: { role: 'user', content }, parent_tool_use_id: null };
}

function act(one, uuid) {
  if (one.raw !== undefined) write(Buffer.from(one.raw, 'base64'));
  if (one.file !== undefined) write(readFileSync(one.file));
  if (one.line !== undefined) say(one.line);
  if (one.bigResult !== undefined) say(bigResult(one.bigResult));
  if (one.stderr !== undefined) process.stderr.write(`${one.stderr}\n`);
  if (one.result !== undefined)
    say({ ...RESULT, result: one.result, usage: {}, total_cost_usd: 0, user_message_uuids: [uuid] });
  if (one.waitForAnswer !== undefined) wanted.add(one.waitForAnswer);
  if (one.closeInput) {
    process.stdin.pause();
    closeSync(0);
    setInterval(() => {}, 1000);
  }
  if (one.exit !== undefined) process.exit(one.exit);
}

function actsOf(text) {
  if (text.startsWith('[')) return JSON.parse(text);
  return existsSync('acts.json') ? JSON.parse(readFileSync('acts.json', 'utf8')) : [{ result: text }];
}

async function agree({ request_id, request }) {
  while (existsSync(`hold-${request.subtype}`)) await delay(10);
  say({ type: 'control_response', response: { subtype: 'success', request_id, response: {} } });
}

let turn = '';
const wanted = new Set();
const taken = new Set();

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text);
  if (line.type === 'control_request') {
    if (line.request.subtype === 'end_session') process.exit(0);
    void agree(line);
  }
  if (line.type === 'control_response' && wanted.has(line.response.request_id)) {
    say({
      ...RESULT,
      result: line.response.error ?? JSON.stringify(line.response.response),
      usage: {},
      total_cost_usd: 0,
      user_message_uuids: [turn],
    });
  }
  // As the real one: a message that is given again is the same.
  if (line.type !== 'user' || taken.has(line.uuid)) continue;
  taken.add(line.uuid);
  turn = line.uuid;
  say({
    type: 'system',
    subtype: 'init',
    session_id,
    cwd: process.cwd(),
    tools: [],
    mcp_servers: [],
    model: 'fake',
    permissionMode: 'default',
  });
  say({ ...line, isReplay: true });
  for (const one of actsOf(line.message.content[0].text)) act(one, line.uuid);
}
