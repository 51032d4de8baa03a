/** What a full disk leaves in the file of a child, without a full disk: half a line, and another one behind it or none. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

const assistant = (id: string, text: string) => ({
  type: 'assistant',
  message: { id, content: [{ type: 'text', text }] },
  parent_tool_use_id: null,
});

/** A whole line, by which a test sees that half of another was read with it. */
const TORN = {
  raw: Buffer.from(`${JSON.stringify(assistant('m1', 'Before.'))}\n{"type":"stream_event","event":{"ty`).toString(
    'base64',
  ),
};

const endOf = (promptId: string) => (frame: Frame) =>
  frame.type === 'streamComplete' && (frame.data.promptId === promptId || isSteered(frame, promptId));

const isSteered = ({ data }: Frame, promptId: string) => Array.isArray(data.steered) && data.steered.includes(promptId);

async function tornTurn(client: WireClient) {
  const started = await client.request('streamStart', {
    prompt: JSON.stringify([TORN]),
    workingDirectory: world.daemon.project(),
  });
  await client.waitFor('assistantMessage');
  return started.data;
}

async function expectGoodTurn(client: WireClient, sessionId: string): Promise<void> {
  const prompt = JSON.stringify([{ line: assistant('m9', 'Good.') }, { result: 'good' }]);
  const accepted = await client.request('streamSend', { sessionId, prompt });
  const end = await client.waitFor(endOf(accepted.data.promptId));
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'good' });
}

const said = (client: WireClient): (string | undefined)[] =>
  client.events().flatMap(({ type, data }) => (type === 'assistantMessage' ? [data.content[0]?.text] : []));

describe('half a line of output', () => {
  test('I1: with another line behind it fails the turn; the other line counts as a line of its own', async () => {
    const client = await world.connect();
    const { sessionId, promptId } = await tornTurn(client);
    const prompt = JSON.stringify([{ line: assistant('m2', 'After.') }]);
    const steered = await client.request('streamSend', { sessionId, prompt, mode: 'steer' });
    for (const id of [promptId, steered.data.promptId]) {
      const end = await client.waitFor(endOf(id));
      expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    }
    expect(said(client)).toEqual(['Before.', 'After.']);
    const errors = client.events().filter(({ type }) => type === 'error');
    expect(errors.map(({ data }) => data.code)).toEqual(['STORAGE_FULL']);
    await expectGoodTurn(client, sessionId);
  });

  test('I1: that nothing follows fails the turn as well, since its end may have been lost with the rest', async () => {
    const client = await world.connect();
    const { sessionId, promptId } = await tornTurn(client);
    const end = await client.waitFor(endOf(promptId));
    expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    await expectGoodTurn(client, sessionId);
  });

  test('I1: that a daemon finds which comes later fails the turn as well', async () => {
    const client = await world.connect({ deviceId: 'torn' });
    const { sessionId, promptId } = await tornTurn(client);
    await world.daemon.restart('SIGKILL');
    const back = await world.connect({ deviceId: 'torn' });
    const end = await back.waitFor(endOf(promptId));
    expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
    await expectGoodTurn(back, sessionId);
  });
});
