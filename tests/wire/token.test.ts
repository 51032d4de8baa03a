import { once } from 'node:events';
import { request } from 'node:http';
import { connect as dial, type Socket } from 'node:net';
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
    expect(world.daemon.stderr()).toContain('npm run companion -- pair');
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

  test('S1: a client that ignores the close is not obeyed any more, and cut off within a second', async () => {
    const { token } = await postLocally('/local/token');
    const socket = await openBareSocket(token);
    const ended = once(socket, 'close');
    const told = new Promise<void>((resolve) => {
      socket.on('data', (bytes) => {
        if (bytes.includes('the credential is revoked or expired')) resolve();
      });
    });
    const { token: next } = await postLocally('/local/token');
    await told;
    const workingDirectory = world.daemon.project('of-a-stranger');
    socket.write(
      maskedText(JSON.stringify({ type: 'streamStart', requestId: '1', data: { prompt: '', workingDirectory } })),
    );
    await ended;
    const { sessions } = (await (await world.daemon.fetch('/api/sessions', bearer(next))).json()) as { sessions: [] };
    expect(sessions).toEqual([]);
  });
});

/** A WebSocket that answers nothing: neither pings nor the close. */
async function openBareSocket(token: string): Promise<Socket> {
  const { port } = new URL(world.daemon.url);
  const socket = dial({ port: Number(port), host: '127.0.0.1' });
  const key = Buffer.alloc(16).toString('base64');
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  for (let seen = ''; !seen.includes('"welcome"'); ) seen += String((await once(socket, 'data'))[0]);
  return socket;
}

/** RFC 6455, section 5.2, with a mask of zeros. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  return Buffer.concat([header, payload]);
}
