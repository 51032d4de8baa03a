/** A home whose name means something in a pattern: Claude reads nothing in it all the same. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeFolders, startDaemon } from '../support/daemon.js';
import { scenario, startScriptedApi } from '../support/scripted-api.js';
import { connect } from '../support/wire-client.js';

/** Each of them has to be taken as it is for the rule to match. Of an open bracket no other name may be the end. */
test.each([['we[ir]d/st*r/qu?est/par(en)'], ['back\\slash/with blank/!{a,b}/\\[x\\]'], ['un[closed/e)nd']])(
  'S2: keys are not read unasked from a home below %j',
  async (name) => {
    const api = await startScriptedApi();
    const { base } = makeFolders();
    const above = join(base, name);
    mkdirSync(above, { recursive: true });
    const home = join(above, 'h');
    const daemon = await startDaemon({
      apiUrl: api.url,
      environment: { COMPANION_HOME: home, PROJECT_ROOTS: base, CLAUDE_ALLOWED_TOOLS: 'Read' },
    });
    try {
      const client = await connect(daemon);
      const read = { name: 'Read', input: { file_path: join(home, 'keys.json') } };
      // The working directory lies above the home: nothing else than the rule keeps Claude from it.
      const { data } = await client.request('streamStart', {
        prompt: scenario({ tools: [read] }),
        workingDirectory: base,
      });
      const result = await client.waitFor('toolResult');
      expect(result.data).toMatchObject({ success: false, error: expect.stringContaining('denied') });
      expect(JSON.stringify(client.frames)).not.toContain('signingKey');
      await client.request('streamClose', { sessionId: data.sessionId as never, reason: 'done' });
      client.terminate();
    } finally {
      await daemon.stop();
      await api.close();
    }
  },
);
