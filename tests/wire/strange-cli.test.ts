import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

/** What no real CLI can be made to do on demand. */
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

type Act =
  | { raw: string }
  | { line: object }
  | { exit: number }
  | { stderr: string }
  | { result: string }
  | { bigResult: number }
  | { waitForAnswer: string };

const raw = (bytes: string | Buffer): Act => ({ raw: Buffer.from(bytes).toString('base64') });

const assistant = (id: string, text: string) => ({
  type: 'assistant',
  message: { id, content: [{ type: 'text', text }] },
  parent_tool_use_id: null,
});

const run = async (client: WireClient, ...acts: Act[]): Promise<Frame> => {
  const from = client.frames.length;
  await client.request('streamStart', { prompt: JSON.stringify(acts), workingDirectory: world.daemon.project() });
  return client.waitFor('streamComplete', from);
};

const said = (client: WireClient): string[] =>
  client.events().flatMap(({ type, data }) => (type === 'assistantMessage' ? [data.content[0]?.text ?? ''] : []));

describe('a CLI that misbehaves', () => {
  test.each([
    ['garbage', raw('this is not JSON\n')],
    ['binary garbage with newlines', raw(Buffer.from([0, 255, 10, 254, 0, 13, 10, 200, 10]))],
    ['JSON of no known shape', raw('[1,2,3]\nnull\n"text"\n{"type":7}\n{"type":"assistant"}\n{"type":"result"}\n')],
    ['an unknown kind of line', raw('{"type":"news_from_the_future","x":1}\n')],
    ['empty lines', raw('\n\n\n')],
    ['deep nesting', raw(`${'['.repeat(200_000)}\n`)],
    ['prototype keys', raw('{"type":"system","subtype":"init","__proto__":{"polluted":true}}\n')],
  ])('%s on stdout is passed over and the turn goes on', async (_, act) => {
    const client = await world.connect();
    const end = await run(
      client,
      { line: assistant('m1', 'Before.') },
      act,
      { line: assistant('m2', 'After.') },
      { result: 'ok' },
    );
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'ok' });
    expect(said(client)).toEqual(['Before.', 'After.']);
  });

  test('bytes that are no UTF-8 inside a text do not harm their neighbours', async () => {
    const client = await world.connect();
    const line = JSON.stringify(assistant('m1', 'bad: X end'));
    const [head, tail] = line.split('X');
    await run(
      client,
      raw(Buffer.concat([Buffer.from(head ?? ''), Buffer.from([0xff, 0xc3]), Buffer.from(`${tail}\n`)])),
      {
        result: 'ok',
      },
    );
    expect(said(client)).toEqual(['bad: \ufffd\ufffd end']);
  });

  test('a line that comes in pieces is one line', async () => {
    const client = await world.connect();
    const bytes = Buffer.from(`${JSON.stringify(assistant('m1', 'In ünfamiliar pieces 👩‍🚀.'))}\n`);
    const pieces = Array.from({ length: bytes.length }, (_, index) => raw(bytes.subarray(index, index + 1)));
    await run(client, ...pieces, { result: 'ok' });
    expect(said(client)).toEqual(['In ünfamiliar pieces 👩‍🚀.']);
  });

  test('a line of 10 MB is taken, its frame is cut, and the whole can be fetched', async () => {
    const client = await world.connect();
    const tool = { type: 'tool_use', id: 't1', name: 'Big', input: {} };
    const use = { type: 'assistant', message: { id: 'm1', content: [tool] }, parent_tool_use_id: null };
    await run(client, { line: use }, { bigResult: 10_000_000 }, { result: 'ok' });
    const frame = await client.waitFor('toolResult');
    expect(frame.data).toMatchObject({ truncated: true, toolName: 'Big', success: true });
    expect(Buffer.byteLength(JSON.stringify(frame))).toBeLessThanOrEqual(256 * 1024);
    const response = await world.daemon.fetch(`/api/sessions/${frame.sessionId}/events/${frame.seq}`);
    const whole = (await response.json()) as { data: { result: string } };
    expect(whole.data.result).toHaveLength(10_000_000);
  });

  test.each([0, 1, 137])(
    'exit code %i in mid-turn ends the turn once, with the last words of the child',
    async (code) => {
      const client = await world.connect();
      const end = await run(client, { line: assistant('m1', 'Half.') }, { stderr: 'it hurts' }, raw('{"type":"assis'), {
        exit: code,
      });
      expect(end.data).toMatchObject({ subtype: 'child_exited', isError: true });
      const error = await client.waitFor('error');
      expect(error.data.message).toContain('it hurts');
      expect(said(client)).toEqual(['Half.']);
      expect(client.events().filter(({ type }) => type === 'streamComplete')).toHaveLength(1);
    },
  );

  test('a request of the CLI that nobody here can answer is refused, not left waiting', async () => {
    const client = await world.connect();
    const ask = { type: 'control_request', request_id: 'r1', request: { subtype: 'invent_something' } };
    const end = await run(client, { line: ask }, { waitForAnswer: 'r1' });
    expect(end.data.finalResult).toContain('invent_something is not supported here');
  });

  test('a session whose children keep dying is given up, told so, and tries again when a person asks', async () => {
    const client = await world.connect();
    const directory = world.daemon.project();
    const die = JSON.stringify([{ exit: 3 }]);
    const started = await client.request('streamStart', { prompt: die, workingDirectory: directory });
    const { sessionId } = started.data;
    for (let index = 0; index < 4; index += 1) await client.request('streamSend', { sessionId, prompt: die });
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'error');
    const ends = client.events().filter(({ type }) => type === 'streamComplete');
    expect(ends.length).toBe(5);
    const well = await client.request('streamSend', { sessionId, prompt: JSON.stringify([{ result: 'fine' }]) });
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === well.data.promptId,
    );
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'fine' });
  });
});
