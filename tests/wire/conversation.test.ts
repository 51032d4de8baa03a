import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

describe('a conversation', () => {
  test('D1, D4: text comes as it is written, then whole, then the turn ends with its cost', async () => {
    const client = await world.connect();
    const started = await client.request('streamStart', {
      prompt: scenario({ thinking: 'Let me see.', text: 'Hello from the real CLI, word by word.' }),
      workingDirectory: world.daemon.project(),
    });
    expect(started.type).toBe('streamStarted');
    const complete = await client.waitFor('streamComplete');
    expect(complete.data).toMatchObject({
      subtype: 'success',
      isError: false,
      finalResult: 'Hello from the real CLI, word by word.',
    });
  });
});
