#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { closeSync, existsSync, readFileSync, writeSync } from 'node:fs';
/**
 * Stands in for the CLI where the real one cannot be made to misbehave, or where a test is about many children and not
 * about what they say: it writes what the prompt says.
 * The prompt is JSON: a list of acts `{raw: base64} | {file: path} | {line: object} | {bigResult: length} | {exit: code} | {closeInput: true} | {stderr: text} | {result: text} | {waitForAnswer: id} | {until: path} | {leave: command}`.
 * `until` holds the acts after it until the file exists, `leave` starts what outlives the turn.
 * What is no JSON it repeats as its result, or it does what `acts.json` in its directory says. While `hold-set_model` is
 * there, it does not answer a request of that name; `answer-set_model.json` is its answer, and with `unknown-set_model`
 * it does not know the request. `FAKE_CLI_VERSION` is its version.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

if (process.argv.includes('--version')) {
  console.log(`${process.env.FAKE_CLI_VERSION ?? '9.9.9'} (Fake)`);
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
  if (one.leave !== undefined) spawn('sh', ['-c', one.leave], { stdio: 'ignore', detached: true });
  if (one.exit !== undefined) process.exit(one.exit);
}

/** At once, as far as no act waits. */
async function actAll(acts, uuid) {
  for (const one of acts) {
    // A child whose input has ended does not wait on.
    while (one.until !== undefined && !existsSync(one.until)) await delay(10, undefined, { ref: false });
    act(one, uuid);
  }
}

function actsOf(text) {
  if (text.startsWith('[')) return JSON.parse(text);
  return existsSync('acts.json') ? JSON.parse(readFileSync('acts.json', 'utf8')) : [{ result: text }];
}

async function agree({ request_id, request }) {
  while (existsSync(`hold-${request.subtype}`)) await delay(10);
  if (existsSync(`unknown-${request.subtype}`)) {
    const error = `Unsupported control request subtype: ${request.subtype}`;
    say({ type: 'control_response', response: { subtype: 'error', request_id, error } });
    return;
  }
  const file = `answer-${request.subtype}.json`;
  const response = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  say({ type: 'control_response', response: { subtype: 'success', request_id, response } });
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
  void actAll(actsOf(line.message.content[0].text), line.uuid);
}
