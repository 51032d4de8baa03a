#!/usr/bin/env node
/** An MCP server over stdio with one tool: it elicits, in the mode it is given, and its result is what it heard. */
import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

const schema = { type: 'object', properties: { mode: { type: 'string' } } };
const form = { type: 'object', properties: { name: { type: 'string' } } };
const elicitations = {
  form: { message: 'Your name?', requestedSchema: form },
  url: { mode: 'url', message: 'Log in there.', url: 'https://login.example/', elicitationId: 'e1' },
};

/** Calls of the tool that wait for an answer, by the id of the elicitation. */
const open = new Map();

const answers = {
  initialize: ({ params }) => ({
    protocolVersion: params.protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'forms', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [{ name: 'ask', description: 'Asks the person.', inputSchema: schema }] }),
  'tools/call': ({ id, params }) => {
    open.set(`ask-${id}`, id);
    send({ id: `ask-${id}`, method: 'elicitation/create', params: elicitations[params.arguments.mode ?? 'form'] });
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, result, error } = JSON.parse(line);
  if (open.has(id)) {
    const heard = error ? `error ${error.code}: ${error.message}` : `answer: ${JSON.stringify(result)}`;
    send({ id: open.get(id), result: { content: [{ type: 'text', text: heard }] } });
    return;
  }
  const answer = id === undefined ? undefined : (answers[method] ?? (() => ({})))({ id, params });
  if (answer) send({ id, result: answer });
});
