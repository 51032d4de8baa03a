#!/usr/bin/env node
/**
 * Writes what the Claude CLI would, at a fixed rate, with the time of the write in every delta: for loads that twenty
 * real CLIs would need a larger machine for. The prompt says how much: `{"deltas":450,"perSecond":150,"perBlock":75}`,
 * or `{"load":{…}}`, see fake-load.mjs, or `{"rewrite":{…}}`. `BENCH_CLI_CORE` is the processor to run on.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { sleepUntil, writeLoad } from './fake-load.mjs';
import { now } from './stamp.mjs';

const STDOUT = 1;
/** The length of every delta: the time, filled up with blanks. */
const CHARACTERS = 24;
/** From a prompt to its first tool: less than any API takes. */
const TOOL_MS = 300;
const session_id = randomUUID();
const write = (line) => writeSync(STDOUT, `${JSON.stringify(line)}\n`);

if (process.argv.includes('--version')) {
  process.stdout.write('2.1.329 (Claude Code)\n');
} else if (process.argv.includes('auth')) {
  process.stdout.write('{"loggedIn":true}\n');
} else {
  const core = process.env.BENCH_CLI_CORE;
  if (core !== undefined) spawnSync('taskset', ['-a', '-c', '-p', core, String(process.pid)]);
  createInterface({ input: process.stdin }).on('line', (line) => take(JSON.parse(line)));
}

function take(message) {
  if (message.type === 'control_request') return answer(message);
  if (message.type !== 'user') return;
  const [{ text }] = message.message.content;
  write({ ...message, session_id, isReplay: true });
  write({ type: 'system', subtype: 'init', session_id, cwd: process.cwd(), tools: [], mcp_servers: [], model: 'fake' });
  const asked = JSON.parse(text);
  if (asked.rewrite) return rewrite(asked.rewrite);
  if (!asked.load) return stream(asked);
  const startedAt = now();
  endTurn(writeLoad(asked.load, { session_id, parent_tool_use_id: null, uuid: randomUUID() }), startedAt);
}

function answer({ request_id, request }) {
  const account = { tokenSource: 'none', apiKeySource: 'ANTHROPIC_API_KEY' };
  write({ type: 'control_response', response: { subtype: 'success', request_id, response: { account } } });
  if (request.subtype === 'end_session') process.exit(0);
}

/** As a shell command changes two lines of files: `{"rewrite":{"files":["a.ts"],"mark":"1"}}`. None: no tool is used. */
function rewrite({ files, mark }) {
  const startedAt = now();
  const around = { session_id, parent_tool_use_id: null, uuid: randomUUID() };
  const id = `toolu_${randomUUID()}`;
  if (files.length > 0) {
    const content = [{ type: 'tool_use', id, name: 'Bash', input: { command: 'rewrite' } }];
    write({ type: 'assistant', message: { id: `msg_${id}`, type: 'message', role: 'assistant', content }, ...around });
    // No command of Claude's begins at once: the API has answered before.
    sleepUntil(startedAt + TOOL_MS);
    for (const path of files) writeFileSync(path, marked(readFileSync(path, 'utf8'), mark));
    const result = { type: 'tool_result', tool_use_id: id, content: 'done' };
    write({ type: 'user', message: { role: 'user', content: [result] }, ...around });
  }
  endTurn('done', startedAt);
}

function marked(text, mark) {
  const lines = text.split('\n');
  for (const at of [20, 70]) lines[at] = `${lines[at].split(' //')[0]} // ${mark}`;
  return lines.join('\n');
}

/** Deltas leave when they are due; those whose time has passed leave at once. */
function stream({ deltas, perSecond, perBlock }) {
  const id = `msg_${randomUUID()}`;
  const around = { session_id, parent_tool_use_id: null, uuid: randomUUID() };
  const event = (body) => write({ type: 'stream_event', event: body, ...around });
  const startedAt = now();
  event({ type: 'message_start', message: { id } });
  for (let written = 0, index = 0; written < deltas; index += 1) {
    const count = Math.min(perBlock, deltas - written);
    event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
    const text = writeBlock({ index, count, around, dueAt: (nth) => startedAt + ((written + nth) * 1000) / perSecond });
    const message = { id, type: 'message', role: 'assistant', model: 'fake', content: [{ type: 'text', text }] };
    write({ type: 'assistant', message, ...around });
    event({ type: 'content_block_stop', index });
    written += count;
  }
  event({ type: 'message_stop' });
  endTurn('done', startedAt);
}

function endTurn(result, startedAt) {
  const duration_ms = now() - startedAt;
  write({ type: 'result', subtype: 'success', is_error: false, result, duration_ms, num_turns: 1, session_id });
}

function writeBlock({ index, count, around, dueAt }) {
  const delta = { type: 'content_block_delta', index, delta: { type: 'text_delta', text: '?' } };
  const [before, after] = JSON.stringify({ type: 'stream_event', event: delta, ...around }).split('?');
  let block = '';
  for (let nth = 0; nth < count; nth += 1) {
    sleepUntil(dueAt(nth));
    const text = now().toFixed(3).padEnd(CHARACTERS);
    writeSync(STDOUT, `${before}${text}${after}\n`);
    block += text;
  }
  return block;
}
