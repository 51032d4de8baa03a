import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

/** Several blocks at once and halves of characters: the real CLI cannot be made to write them on demand. */
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

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

async function say(acts: object[]): Promise<{ author: WireClient; sessionId: string }> {
  const author = await world.connect();
  const workingDirectory = world.daemon.project();
  writeFileSync(join(workingDirectory, 'acts.json'), JSON.stringify(acts));
  const started = await author.request('streamStart', { prompt: 'Go.', workingDirectory });
  return { author, sessionId: started.data.sessionId };
}

describe('blocks that are being written', () => {
  test('D4: of several open blocks each goes on from its own position', async () => {
    const { author, sessionId } = await say([
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
    const { author, sessionId } = await say([
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
    const { author, sessionId } = await say([{ result: 'Done.' }]);
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
