/** A CLI that lives and cannot be written to any more. */
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

test('I1: a prompt that the CLI can no longer read is run by the next one, at once', async () => {
  const client = await world.connect();
  const acts = [{ result: 'Deaf now.' }, { closeInput: true }];
  const workingDirectory = world.daemon.project();
  const { sessionId } = (await client.request('streamStart', { prompt: JSON.stringify(acts), workingDirectory })).data;
  await client.waitFor(({ data }) => data.finalResult === 'Deaf now.');
  const { data } = await client.request('streamSend', { sessionId, prompt: JSON.stringify([{ result: 'Heard.' }]) });
  const end = await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Heard.' });
});
