import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { hurry } from '../support/hurry.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

/** What no real CLI can be made to do on demand: misbehave, write several blocks at once or halves of characters, keep its mode. */
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
// Before the fifth child of a session that keeps dying the daemon has waited for 15 s.
const world = useWorld({ environment: { CLAUDE_PATH, ...hurry(4) } });

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

  test('a request of the CLI that the daemon does not know is refused, not left waiting', async () => {
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

test('the mode that the CLI says is in effect is answered, and told to every device', async () => {
  const client = await world.connect();
  const other = await world.connect();
  await other.request('subscribe', { events: ['*'] });
  const workingDirectory = world.daemon.project();
  writeFileSync(join(workingDirectory, 'answer-set_permission_mode.json'), '{"mode": "plan"}');
  const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data;
  await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
  const set = await client.request('setPermissionMode', { sessionId, mode: 'auto' });
  expect(set).toMatchObject({ type: 'sessionStatus', data: { permissionMode: 'plan' } });
  await other.waitFor(({ type, data }) => type === 'sessionStatus' && data.permissionMode === 'plan');
  expect(other.frames.some(({ data }) => data.permissionMode === 'auto')).toBe(false);
});

const event = (parent: string | null, body: object) => ({
  line: { type: 'stream_event', event: body, parent_tool_use_id: parent },
});

const begun = (parent: string | null, id: string) => [
  event(parent, { type: 'message_start', message: { id } }),
  event(parent, { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
];

const delta = (parent: string | null, text: string) =>
  event(parent, { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });

const pieces = ({ frames }: WireClient, messageId: string): Frame['data'][] =>
  frames.filter(({ type, data }) => type === 'streamData' && data.messageId === messageId).map(({ data }) => data);

async function write(acts: object[]): Promise<{ author: WireClient; sessionId: string }> {
  const author = await world.connect();
  const workingDirectory = world.daemon.project();
  writeFileSync(join(workingDirectory, 'acts.json'), JSON.stringify(acts));
  const started = await author.request('streamStart', { prompt: 'Go.', workingDirectory });
  return { author, sessionId: started.data.sessionId };
}

describe('blocks that are being written', () => {
  test('D4: of several open blocks each goes on from its own position', async () => {
    const { author, sessionId } = await write([
      ...begun(null, 'main'),
      ...begun('task-1', 'one'),
      ...begun('task-2', 'two'),
      delta(null, 'The main one.'),
      delta('task-1', 'The first beside it.'),
      delta('task-2', 'The second beside it.'),
    ]);
    await author.waitFor(({ type, data }) => type === 'streamData' && data.messageId === 'two');
    const head = author.events().at(-1);
    const device = await world.connect();
    const place = {
      epoch: head?.epoch ?? '',
      seq: head?.seq ?? 0,
      open: { messageId: 'main', blockIndex: 0, offset: 4 },
      alsoOpen: [{ messageId: 'one', blockIndex: 0, offset: 10 }],
    };
    await device.request('subscribe', { events: ['*'], sessionIds: [sessionId], cursors: { [sessionId]: place } });
    await device.waitFor('caughtUp');
    const told = (id: string) => pieces(device, id).map(({ offset, content }) => [offset, content.text]);
    expect(told('main')).toEqual([[4, 'main one.']]);
    expect(told('one')).toEqual([[10, 'beside it.']]);
    expect(told('two')).toEqual([[0, 'The second beside it.']]);
  });

  test('D4: a character that the CLI writes in two halves is never told in two', async () => {
    const halves = '😀'.split('');
    const { author, sessionId } = await write([
      ...begun(null, 'm'),
      delta(null, `a${halves[0]}`),
      delta(null, `${halves[1]}b${halves[0]}`),
      delta(null, `${halves[1]}`),
      delta(null, `c${halves[0]}`),
    ]);
    await author.waitFor(({ type, data }) => type === 'streamData' && data.content.text.endsWith('c'));
    const texts = (client: WireClient) => pieces(client, 'm').map(({ content }) => content.text);
    expect(texts(author).join('')).toBe('a😀b😀c');
    for (const text of texts(author)) expect(text).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
    const late = await world.connect();
    await late.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    await late.waitFor('caughtUp');
    expect(texts(late)).toEqual(['a😀b😀c']);
  });

  test('O1: a position that cannot be is refused with its field, and nothing is subscribed', async () => {
    const { author, sessionId } = await write([{ result: 'Done.' }]);
    await author.waitFor('streamComplete');
    const device = await world.connect();
    const open = { messageId: 'm', blockIndex: 0, offset: -1 };
    const cursors = { [sessionId]: { epoch: 'e', seq: 0, open } };
    const answer = await device.request('subscribe', { events: ['*'], cursors });
    expect(answer).toMatchObject({ type: 'error', data: { code: 'INVALID_REQUEST' } });
    expect(answer.data.details).toMatchObject({ field: `cursors.${sessionId}.open.offset` });
    const again = await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    expect(again.data.sessions).toMatchObject([{ sessionId, resume: 'replay' }]);
  });
});
