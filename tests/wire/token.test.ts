import { request } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { localSocketPath } from '../../config/local-socket-path.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { AUTH_TOKEN: '' } });

/** `POST` through the socket that only the owner of the machine's account can open. */
const postLocally = (path: string): Promise<{ token: string }> =>
  new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: localSocketPath(world.daemon.home), path, method: 'POST' }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve(JSON.parse(body) as { token: string }));
    });
    outgoing.once('error', reject);
    outgoing.end();
  });

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('the owner’s token', () => {
  test('S1: a first start without a terminal shows none and says how to make one', async () => {
    expect(world.daemon.stderr()).toContain('npm run companion -- token');
    expect((await world.daemon.fetch('/api/sessions')).status).toBe(401);
  });

  test('S1: a new token voids the one before: its connections are closed with 1008 and it opens no other', async () => {
    const { token: first } = await postLocally('/local/token');
    const client = await world.connect(bearer(first));
    const { token: second } = await postLocally('/local/token');
    expect(await client.closed).toBe(1008);
    expect((await world.daemon.fetch('/api/sessions', bearer(first))).status).toBe(401);
    expect((await world.daemon.fetch('/api/sessions', bearer(second))).status).toBe(200);
    await world.connect(bearer(second));
  });
});
