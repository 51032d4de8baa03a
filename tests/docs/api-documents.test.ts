/** `openapi.json` and `asyncapi.json`: valid, told of by the daemon, and their examples work. */
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import specs from '@asyncapi/specs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import express from 'express';
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import { FRAME_ANSWERS } from '../../protocol/server-frames.js';
import { createErrorHandler } from '../../routes/http/http-errors.js';
import { createDocsRoutes } from '../../routes/rest/docs-routes.js';
import { OPEN_API, type Operation, wrongWith } from '../support/api-answers.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const ROOT = join(import.meta.dirname, '../..');
const jsonOf = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const ASYNC_API = jsonOf('docs/protocol/asyncapi.json');

test('openapi.json is a valid document of OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(OPEN_API) as never);
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

test('asyncapi.json is a valid document of AsyncAPI 3.0, and has each frame of a client', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, meta: false });
  const validate = ajv.compile(specs.schemas['3.0.0'] as object);
  validate(ASYNC_API);
  expect(validate.errors ?? []).toEqual([]);
  expect(Object.keys(ASYNC_API.operations)).toEqual([...Object.keys(CLIENT_FRAMES), 'told']);
});

test('an answer that is not as the document says is noticed', async () => {
  const wrong = (body: unknown, status = 200) => wrongWith('GET', '/live', answerOf(body, status));
  expect(await wrong({ status: 'ok' })).toBeUndefined();
  expect(await wrong({ status: 'dead' })).toMatch(/^live 200: \/status /);
  expect(await wrong({ status: 'ok' }, 201)).toBe('live answers 201, which the document lacks');
  expect(await wrong({ error: 'oh' }, 500)).toMatch(/^live 500: /);
});

function answerOf(body: unknown, status: number): Response {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': String(text.length) };
  return new Response(text, { status, headers });
}

test('a document that an incomplete build lacks is not found, which is not blamed on the request', async () => {
  const app = express().use(createDocsRoutes({ docsFolder: join(ROOT, 'no-such-folder') }));
  app.use(createErrorHandler({ error: () => {}, warn: () => {} } as never));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect((await fetch(`http://127.0.0.1:${port}/openapi.json`)).status).toBe(404);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('a daemon', () => {
  const world = useWorld();
  let client: WireClient;
  let sessionId: string;

  beforeAll(async () => {
    const folder = join(world.daemon.root, 'shop');
    mkdirSync(folder);
    client = await world.connect({ deviceId: 'my-phone' });
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory: folder });
    sessionId = String(data.sessionId);
    await client.waitFor((frame) => frame.type === 'sessionStatus' && frame.data.status === 'idle');
  });

  test.each([
    ['/docs', 'text/html'],
    ['/docs/frames', 'text/html'],
    ['/docs/events', 'text/html'],
    ['/docs/rest', 'text/html'],
    ['/docs/style.css', 'text/css'],
    ['/openapi.json', 'application/json'],
    ['/asyncapi.json', 'application/json'],
  ])('S1: %s needs a credential, and may load nothing from elsewhere', async (path, type) => {
    expect((await fetch(`${world.daemon.url}${path}`)).status).toBe(401);
    const response = await world.daemon.fetch(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain(type);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'self';/);
    const headers = { 'if-none-match': `${response.headers.get('etag')}` };
    expect((await world.daemon.fetch(path, { headers })).status).toBe(304);
  });

  test.each(['/docs/other', '/docs/..%2fserver%2fmain.js', '/docs/index.html', '/docs/constructor'])(
    '%s is no document',
    async (path) => {
      expect((await world.daemon.fetch(path)).status).toBe(404);
    },
  );

  const ofBodies = Object.entries(OPEN_API.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]): [string, string, Operation][] =>
      operation.requestBody?.content['application/json'].example === undefined ? [] : [[path, method, operation]],
    ),
  );

  test.each(ofBodies)('%s %s: the body in the document is taken', async (path, method, operation) => {
    const { deviceId } = client;
    const ids: Record<string, string> = {
      id: path.startsWith('/api/devices') ? deviceId : sessionId,
      path: 'NOTES.md',
    };
    const address = path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'unknown');
    const body = JSON.stringify(operation.requestBody?.content['application/json'].example);
    const headers = { 'content-type': 'application/json' };
    const response = await world.daemon.fetch(address, { method: method.toUpperCase(), body, headers });
    const said = `${response.status} ${response.ok ? '' : await response.text()}`;
    expect(said.trim()).toBe(String(Object.keys(operation.responses).find((status) => said.startsWith(status))));
  });

  const ofFrames = Object.entries(
    ASYNC_API.components.messages as Record<string, { examples?: { payload: Example }[] }>,
  )
    .flatMap(([, { examples = [] }]) => examples)
    .map(({ payload }): [string, Example] => [payload.type, payload]);

  test.each(ofFrames)('%s: the frame in the document is answered', async (type, { data }) => {
    const { sessionId: named, workingDirectory, ...others } = data;
    const request = {
      ...others,
      ...(named !== undefined && { sessionId }),
      ...(workingDirectory !== undefined && { workingDirectory: join(world.daemon.root, workingDirectory) }),
    };
    const answer = await client.request(type as ClientFrameType, request as never);
    expect(answer.type).toBe((FRAME_ANSWERS as Record<string, string>)[type]);
  });
});

interface Example {
  type: string;
  data: { sessionId?: string; workingDirectory?: string };
}
