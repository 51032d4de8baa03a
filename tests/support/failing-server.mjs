#!/usr/bin/env node
/**
 * An MCP server over stdio that goes wrong as its argument says: `fail` ends before it answers, `silent` never answers,
 * `working` has two tools, `wait`, which never ends, and `die`, which ends the server. A call writes the file `at`.
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [mode] = process.argv.slice(2);
if (mode === 'fail') process.exit(1);

const inputSchema = { type: 'object', properties: { at: { type: 'string' } } };

function call({ name, arguments: { at } }) {
  if (at) writeFileSync(at, '');
  if (name === 'die') process.exit(1);
}

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'failing', version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: ['wait', 'die'].map((name) => ({ name, description: 'Fails.', inputSchema })) }),
  'tools/call': call,
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (mode === 'silent' || id === undefined) return;
  const result = (answers[method] ?? (() => ({})))(params);
  if (result) process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
});
