/** A disk that takes no more while a turn runs. */
import { describe, expect, test } from '@jest/globals';
import { cutOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import type { WireClient } from '../support/wire-client.js';
import { endOf, openSession, useFailingWorld } from './support/failing-world.js';

const { world, faults } = useFailingWorld();

const CODES = ['ENOSPC', 'EIO', 'EDQUOT', 'EROFS'];

describe('the output of a child that works cannot be kept', () => {
  test.each(cutOf(CODES, 2))(
    'I1: with %s its turn fails with storage_full and is not repeated; the session goes on in the same conversation',
    async (code) => {
      const client = await world.connect();
      const sessionId = await openSession(world, client);
      const gate = `never-${code}`;
      const prompt = scenario({ text: 'Nobody will read this.', gate });
      const accepted = await client.request('streamSend', { sessionId, prompt });
      await world.api.reached(gate);
      faults.set({ call: 'writeFile', match: '/room', code });
      const end = await client.waitFor(endOf(accepted.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
      const said = client.events(sessionId).find(({ type }) => type === 'error');
      expect(said?.data.code).toBe('STORAGE_FULL');
      faults.set();
      world.api.release(gate);
      const next = scenario({ text: 'On we go.' });
      const following = await client.request('streamSend', { sessionId, prompt: next });
      const nextEnd = await client.waitFor(endOf(following.data.promptId));
      expect(nextEnd.data).toMatchObject({ subtype: 'success', finalResult: 'On we go.' });
      expect(world.api.runs(prompt)).toBe(1);
      expect(world.api.runs(next)).toBe(1);
      expect(conversations(client, sessionId)).toHaveLength(1);
    },
  );
});

const conversations = (client: WireClient, sessionId: string) => [
  ...new Set(
    client.events(sessionId).flatMap(({ type, data }) => (type === 'systemInit' ? [data.claudeSessionId] : [])),
  ),
];
