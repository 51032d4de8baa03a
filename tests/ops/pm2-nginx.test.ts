/** The daemon as it is deployed: under pm2 with the shipped ecosystem file, behind nginx with the shipped configuration. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { CLOSE } from '../../protocol/error-codes.js';
import { childrenOf, TOKEN } from '../support/daemon.js';
import { type EventReader, type FetchText, readEvents } from '../support/event-reader.js';
import { findNginx, type Nginx, PUBLIC_NAME, startNginx } from '../support/nginx.js';
import { type Pm2Daemon, startUnderPm2 } from '../support/pm2-daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';

const nginxPath = findNginx();

if (nginxPath === undefined) {
  test('NOT RUN, since nginx is not installed: the daemon under pm2 and behind nginx', () => {
    // The machine of the checks sets it: there this file has to run.
    expect(process.env.REQUIRE_NGINX).not.toBe('1');
  });
} else {
  describe('under pm2 and behind nginx', () => deployed(nginxPath));
}

const TEXT = 'The first words come before the restart, and the last ones come after it, in one piece.';
/** A turn is held after so many deltas of so many characters. */
const DELTAS = 5;
const CHUNK = 4;
const FIRST_PART = TEXT.slice(0, DELTAS * CHUNK);

function deployed(path: string): void {
  let api: ScriptedApi;
  let daemon: Pm2Daemon;
  let nginx: Nginx;
  const cleanUp: (() => unknown)[] = [];

  beforeAll(async () => {
    api = await startScriptedApi();
    cleanUp.push(() => api.close());
    daemon = await startUnderPm2({
      apiUrl: api.url,
      environment: { ALLOWED_HOSTS: PUBLIC_NAME, TRUST_PROXY: 'true', LOG_LEVEL: 'debug' },
    });
    cleanUp.push(() => daemon.stop());
    nginx = await startNginx({ path, upstreamPort: daemon.port });
    cleanUp.push(() => nginx.close());
  });

  afterAll(async () => {
    for (const end of cleanUp.toReversed()) await end();
  });

  const connectAs = async (deviceId: string): Promise<WireClient> => {
    const client = await connect(nginx, { deviceId, ca: nginx.certificate, headers: { host: PUBLIC_NAME } });
    cleanUp.push(() => client.terminate());
    return client;
  };

  /** The answer to an upgrade: 101, or the status that refused it. */
  const upgrade = async (target: string, headers: Record<string, string> = {}): Promise<number> => {
    const socket = new WebSocket(`${nginx.url.replace('https', 'wss')}${target}`, {
      ca: nginx.certificate,
      headers: { host: PUBLIC_NAME, ...headers },
    });
    const answered = once(socket, 'upgrade').then(() => 101);
    const refused = once(socket, 'unexpected-response').then(
      ([, response]) => (response as IncomingMessage).statusCode,
    );
    const status = await Promise.race([answered, refused]);
    socket.on('error', () => {});
    socket.terminate();
    return status ?? 0;
  };

  /** Starts a turn that waits in the middle of its text, and resolves once the first part has come through. */
  const startTurn = async (client: WireClient, gate: string): Promise<string> => {
    const workingDirectory = join(daemon.root, gate);
    mkdirSync(workingDirectory);
    const prompt = scenario({ text: TEXT, chunk: CHUNK, gateAfter: { deltas: DELTAS, gate } });
    const started = await client.request('streamStart', { prompt, workingDirectory });
    await api.reached(gate);
    await client.waitFor(() => textIn(client.frames) === FIRST_PART);
    return started.data.sessionId;
  };

  /** The pid of the session's child, which has to be a live process with the session's marker. */
  const childOf = async (sessionId: string): Promise<number> => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const { pid } = JSON.parse((await nginx.request(`/api/sessions/${sessionId}`, { headers })).body) as {
      pid: number;
    };
    expect(childrenOf(daemon.home)).toContain(pid);
    return pid;
  };

  test('H2, D3: pm2 restart in mid-turn keeps the child, and the client gets the rest through nginx, once', async () => {
    const before = await connectAs('phone');
    const sessionId = await startTurn(before, 'restart');
    const child = await childOf(sessionId);
    const pid = await daemon.pid();

    await daemon.restart();
    // 1006 where the connection breaks before the close frame is through.
    expect([CLOSE.restarting, 1006]).toContain(await before.closed);
    expect(await daemon.pid()).not.toBe(pid);
    expect(await childOf(sessionId)).toBe(child);

    const after = await connectAs('phone');
    await after.waitFor('caughtUp');
    api.release('restart');
    const complete = await after.waitFor('streamComplete');
    expect(complete.data).toMatchObject({ subtype: 'success', isError: false, finalResult: TEXT });
    await after.request('ping', {});
    const events = [...before.events(sessionId), ...after.events(sessionId)];
    expect(events.filter(({ type }) => type === 'streamComplete')).toHaveLength(1);
    const seqs = [...new Set(events.map(({ seq }) => seq))];
    expect(seqs).toEqual(seqs.map((_seq, at) => at + 1));
    expect(textIn(after.frames)).toBe(TEXT);
    expect(await childOf(sessionId)).toBe(child);
  });

  test('H2: pm2 starts the daemon again after a kill -9, and the turn of its child goes on', async () => {
    const before = await connectAs('tablet');
    const sessionId = await startTurn(before, 'crash');
    const child = await childOf(sessionId);
    process.kill(await daemon.pid(), 'SIGKILL');
    await before.closed;
    await waitUntil('the daemon serves again', async () => (await nginx.request('/live')).status === 200);
    const after = await connectAs('tablet');
    await after.waitFor('caughtUp');
    api.release('crash');
    const isOurs = (frame: Frame) => frame.type === 'streamComplete' && frame.sessionId === sessionId;
    expect((await after.waitFor(isOurs)).data.finalResult).toBe(TEXT);
    expect(await childOf(sessionId)).toBe(child);
  });

  test('D4: a delta comes through nginx while the rest of its turn is still held', async () => {
    const client = await connectAs('laptop');
    await startTurn(client, 'held');
    expect(client.frames.map(({ type }) => type)).not.toContain('streamComplete');
    expect(textIn(client.frames)).toBe(FIRST_PART);
    api.release('held');
    await client.waitFor('streamComplete');
  });

  test('D3: an event stream through nginx, cut and resumed after every event, has what an uncut one has', async () => {
    const client = await connectAs('stream-author');
    const sessionId = await startTurn(client, 'streamed');
    const { promptId } = (await client.waitFor('humanMessage')).data;
    const path = `${nginx.url}/api/sessions/${sessionId}/prompts/${promptId}/stream`;
    const through = fetchThrough(nginx);
    const live = readEvents(`${path}?deltas=true`, { fetch: through });
    cleanUp.push(() => live.close());
    await live.waitFor('delta');
    // The text is there while its turn is held: nginx holds nothing back.
    await waitUntil('its first part has come', () => deltasOf(live) === FIRST_PART);
    api.release('streamed');
    const cut = readEvents(path, { fetch: through, blocksEach: 2 });
    cleanUp.push(() => cut.close());
    await Promise.all([live.closed(), cut.closed()]);
    const told = (reader: EventReader) => reader.events.filter(({ event }) => !['connected', 'delta'].includes(event));
    expect(told(cut)).toEqual(told(live));
    expect(told(live).at(-1)).toMatchObject({ event: 'complete', data: { result: TEXT } });
    expect(cut.asked).toEqual([undefined, ...told(cut).map(({ id }) => id)]);
    const head = await nginx.request('/api/stream', {
      method: 'HEAD',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-length': '0' },
    });
    expect(head.headers).toMatchObject({ 'content-type': 'text/event-stream' });
  });

  test('S1: without a valid credential nginx passes on a 401, and /live alone answers', async () => {
    expect(await upgrade('/ws')).toBe(401);
    expect(await upgrade('/ws?token=not-the-one')).toBe(401);
    const sessions = await nginx.request('/api/sessions');
    expect(sessions.status).toBe(401);
    expect(JSON.parse(sessions.body)).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
    expect(await nginx.request('/live')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  });

  test('S1: a token in a query opens a WebSocket, and no query is in a log of nginx or of the daemon', async () => {
    const query = `?token=${TOKEN}&deviceId=by-query`;
    const referer = { referer: `https://${PUBLIC_NAME}/page${query}` };
    expect(await upgrade(`/ws${query}`, referer)).toBe(101);
    expect(await upgrade(`/elsewhere${query}`, referer)).toBe(404);
    expect(await nginx.request(`/page${query}`, { headers: referer })).toMatchObject({ status: 401 });
    expect(await nginx.request(`/page${query}`, { plain: true, headers: referer })).toMatchObject({ status: 308 });
    // nginx writes its line when a connection has ended.
    await waitUntil('nginx has logged it all', () =>
      ['"101"', '"404"', '"308"'].every((status) => nginx.logs().includes(`"status":${status}`)),
    );
    expect(nginx.logs()).toContain('"path":"/ws"');
    expect(nginx.logs()).not.toContain(TOKEN);
    expect(nginx.logs()).not.toContain('?');
    await waitUntil('the daemon has logged it', () => daemon.logs().includes('"path":"/page"'));
    expect(daemon.logs()).not.toContain(TOKEN);
    expect(daemon.logs()).not.toContain('token=');
  });

  test('S1: what nginx cannot pass on leaves no query in its logs either', async () => {
    const deserted = await startNginx({ path, upstreamPort: 1 });
    try {
      const query = `?token=${TOKEN}`;
      const headers = { referer: `https://${PUBLIC_NAME}/${query}` };
      for (const target of [`/ws${query}`, `/encoded%3Ftoken=${TOKEN}`]) {
        expect((await deserted.request(target, { headers })).status).toBe(502);
      }
      await waitUntil('nginx has logged both', () => deserted.logs().includes('"path":"/encoded","status":"502"'));
      expect(deserted.logs()).not.toContain(TOKEN);
      expect(deserted.logs()).not.toContain('?');
    } finally {
      await deserted.close();
    }
  });

  test('O1: a request keeps its id through nginx, and every header comes once', async () => {
    const answer = await nginx.request('/api/sessions', { headers: { 'x-request-id': 'ops-test.1' } });
    expect(answer.headers['x-request-id']).toBe('ops-test.1');
    expect(answer.headerNames).toEqual(expect.arrayContaining(['strict-transport-security', 'x-content-type-options']));
    expect(answer.headerNames).toEqual([...new Set(answer.headerNames)]);
    await waitUntil('both have logged it', () =>
      [nginx.logs(), daemon.logs()].every((log) => log.includes('"requestId":"ops-test.1"')),
    );
  });

  test('http is sent to https, and a body of more than 12 MiB is refused before it comes', async () => {
    const redirect = await nginx.request('/docs', { plain: true });
    expect(redirect).toMatchObject({ status: 308, headers: { location: `https://${PUBLIC_NAME}/docs` } });
    const headers = { 'content-type': 'application/json', 'content-length': String(12 * 1024 * 1024 + 1) };
    expect((await nginx.request('/api/sessions', { method: 'POST', headers })).status).toBe(413);
  });

  test('a name that is not in ALLOWED_HOSTS gets 403 through nginx too', async () => {
    expect(await upgrade('/ws', { host: 'elsewhere.example.com', authorization: `Bearer ${TOKEN}` })).toBe(403);
  });
}

/** `fetch` that trusts the certificate of nginx, and asks under the public name. */
const fetchThrough =
  ({ certificate }: Nginx): FetchText =>
  async (url, { headers, signal }) => {
    const sent = request(url, {
      agent: false,
      ca: certificate,
      servername: PUBLIC_NAME,
      headers: { host: PUBLIC_NAME, ...(headers as Record<string, string>) },
      ...(signal && { signal }),
    });
    sent.end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    // A cut connection.
    answer.on('error', () => {});
    const status = answer.statusCode ?? 0;
    const body = status === 204 ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
    return new Response(body, { status, headers: answer.headers as Record<string, string> });
  };

const deltasOf = (reader: EventReader) => reader.of('delta').reduce((text, { data }) => text + data.content, '');

/** The text of one message, joined by its positions as a client does. */
function textIn(frames: readonly Frame[]): string {
  return frames
    .filter(({ type }) => type === 'streamData')
    .reduce(
      (text, { data: { offset, content } }) =>
        offset === text.length || offset === 0 ? text.slice(0, offset) + content.text : text,
      '',
    );
}
