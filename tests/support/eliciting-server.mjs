#!/usr/bin/env node
/**
 * An MCP server over stdio with one tool: it elicits what it is given, all at once, and its result is what it heard, one
 * line for each. As soon as the file `at` exists it does what `deed` says instead of waiting on.
 */
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

const schema = {
  type: 'object',
  properties: { params: { type: 'array' }, deed: { type: 'string' }, at: { type: 'string' } },
};

/** The open elicitations by their id: the call that waits for it, and the place of its answer. */
const open = new Map();

const say = (id, text) => send({ id, result: { content: [{ type: 'text', text }] } });

const deeds = {
  exit: () => process.exit(1),
  withdraw: (ids) => {
    for (const id of ids) send({ method: 'notifications/cancelled', params: { requestId: id, reason: 'No need.' } });
  },
  complete: (_ids, params) => {
    for (const { elicitationId } of params) {
      send({ method: 'notifications/elicitation/complete', params: { elicitationId } });
    }
  },
  answer: (_ids, _params, id) => say(id, 'It was not needed.'),
};

function doWhen(path, act) {
  const timer = setInterval(() => {
    if (!existsSync(path)) return;
    clearInterval(timer);
    act();
  }, 20);
}

function ask(id, { params, deed, at }) {
  const call = { id, heard: params.map(() => undefined) };
  const ids = params.map((_, index) => `ask-${id}-${index}`);
  for (const [index, elicited] of ids.entries()) {
    open.set(elicited, { call, index });
    send({ id: elicited, method: 'elicitation/create', params: params[index] });
  }
  if (deed) doWhen(at, () => deeds[deed](ids, params, id));
}

function hear(id, result, error) {
  const { call, index } = open.get(id);
  open.delete(id);
  call.heard[index] = error ? `error ${error.code}: ${error.message}` : `answer: ${JSON.stringify(result)}`;
  if (call.heard.every((one) => one !== undefined)) say(call.id, call.heard.join('\n'));
}

const answers = {
  initialize: ({ params }) => ({
    protocolVersion: params.protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'forms', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [{ name: 'ask', description: 'Asks the person.', inputSchema: schema }] }),
  'tools/call': ({ id, params }) => ask(id, params.arguments),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, result, error } = JSON.parse(line);
  if (open.has(id)) {
    hear(id, result, error);
    return;
  }
  const answer = id === undefined ? undefined : (answers[method] ?? (() => ({})))({ id, params });
  if (answer) send({ id, result: answer });
});
