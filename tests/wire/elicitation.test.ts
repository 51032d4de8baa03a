/** What an MCP server hears that asks the person something, through the real CLI. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const server = {
  type: 'stdio',
  command: process.execPath,
  args: [join(import.meta.dirname, '../support/eliciting-server.mjs')],
};

test.each(['form', 'url'])(
  'an MCP server that elicits by %s hears an error and no answer of a person',
  async (mode) => {
    const home = world.daemon.environment.HOME ?? '';
    writeFileSync(join(home, '.claude.json'), JSON.stringify({ mcpServers: { forms: server } }));
    const client = await world.connect();
    const started = await client.request('streamStart', {
      prompt: scenario({ tools: [{ name: 'mcp__forms__ask', input: { mode } }] }, { text: 'Done.' }),
      workingDirectory: world.daemon.project(),
      options: { allowedTools: ['mcp__forms__ask'] },
    });
    expect((await client.waitFor('streamComplete')).data.finalResult).toBe('Done.');
    const events = client.events(started.data.sessionId);
    const heard = String(events.find(({ type }) => type === 'toolResult')?.data.result);
    expect(heard).toMatch(/^error -32602: /);
    expect(heard).not.toMatch(/answer:|cancel|decline/);
    // 2.1.197 refuses the mode `url` by itself and asks nobody.
    if (mode === 'url' && /URL-mode/.test(heard)) return;
    expect(heard).toContain('elicitation is not supported here');
    const notice = { kind: 'unsupported_request', level: 'warning', message: expect.stringContaining('forms: ') };
    expect(events.flatMap(({ type, data }) => (type === 'notice' ? [data] : []))).toEqual([
      expect.objectContaining(notice),
    ]);
  },
);
