#!/usr/bin/env node
/**
 * Writes what the Claude CLI would, at a fixed rate, with the time of the write in every delta: for loads that twenty
 * real CLIs would need a larger machine for. The prompt says how much: `{"deltas":450,"perSecond":150,"perBlock":75}`.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const STDOUT = 1;
/** The length of every delta: the time, filled up with blanks. */
const CHARACTERS = 24;
const now = () => Number(process.hrtime.bigint()) / 1e6;
const session_id = randomUUID();
const write = (line) => writeSync(STDOUT, `${JSON.stringify(line)}\n`);

if (process.argv.includes('--version')) {
  process.stdout.write('2.1.329 (Claude Code)\n');
} else if (process.argv.includes('auth')) {
  process.stdout.write('{"loggedIn":true}\n');
} else {
  createInterface({ input: process.stdin }).on('line', (line) => take(JSON.parse(line)));
}

function take(message) {
  if (message.type === 'control_request') return answer(message);
  if (message.type !== 'user') return;
  const [{ text }] = message.message.content;
  write({ ...message, session_id, isReplay: true });
  write({ type: 'system', subtype: 'init', session_id, cwd: process.cwd(), tools: [], mcp_servers: [], model: 'fake' });
  stream(JSON.parse(text));
}

function answer({ request_id, request }) {
  const account = { tokenSource: 'none', apiKeySource: 'ANTHROPIC_API_KEY' };
  write({ type: 'control_response', response: { subtype: 'success', request_id, response: { account } } });
  if (request.subtype === 'end_session') process.exit(0);
}

/** Deltas leave when they are due; a timer that fires late sends all that have become due. */
function stream({ deltas, perSecond, perBlock }) {
  const id = `msg_${randomUUID()}`;
  const event = (body) =>
    write({ type: 'stream_event', event: body, session_id, parent_tool_use_id: null, uuid: randomUUID() });
  const startedAt = now();
  let written = 0;
  let block = '';
  const writeDelta = () => {
    const index = Math.floor(written / perBlock);
    if (block === '') event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
    const text = now().toFixed(3).padEnd(CHARACTERS);
    event({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } });
    block += text;
    written += 1;
    if (written % perBlock === 0 || written === deltas) endBlock(index);
  };
  const endBlock = (index) => {
    const message = { id, type: 'message', role: 'assistant', model: 'fake', content: [{ type: 'text', text: block }] };
    write({ type: 'assistant', message, parent_tool_use_id: null, session_id, uuid: randomUUID() });
    event({ type: 'content_block_stop', index });
    block = '';
  };
  const dueAt = (index) => startedAt + (index * 1000) / perSecond;
  const tick = () => {
    while (written < deltas && dueAt(written) <= now()) writeDelta();
    if (written < deltas) return void setTimeout(tick, Math.max(1, dueAt(written) - now()));
    event({ type: 'message_stop' });
    const duration_ms = now() - startedAt;
    write({
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: 'done',
      duration_ms,
      num_turns: 1,
      session_id,
    });
  };
  event({ type: 'message_start', message: { id } });
  tick();
}
