/** The REST client as it is built, with the real daemon; `fetch` is where the network breaks. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import {
  createPrompt,
  createRestClient,
  createSession,
  interruptSession,
  listSessions,
  live,
  type RestClient,
  type RestClientOptions,
  RestError,
  readFile,
  replaceFile,
  showSession,
  streamPrompt,
  streamSession,
} from '../../client/rest/index.js';
import { pauseBefore } from '../../client/rest/retries.js';
import { TOKEN } from '../support/daemon.js';
import { pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
let client: RestClient;
let id: string;

const clientWith = (options: Partial<RestClientOptions> = {}) =>
  createRestClient({ url: world.daemon.url, token: TOKEN, ...options });

beforeAll(async () => {
  client = clientWith();
  const { sessionId } = await createSession(client, { body: { workingDirectory: world.daemon.project('typed') } });
  id = sessionId;
});

/** `fetch` that loses the first answers, when the daemon has given them. */
function losing(answers: number) {
  const statuses: number[] = [];
  const lossy: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    statuses.push(response.status);
    await response.arrayBuffer();
    if (statuses.length <= answers) throw new TypeError('fetch failed');
    return fetch(...request);
  };
  return { statuses, fetch: lossy };
}

describe('requests', () => {
  test('are typed by their parameters, query, body and answer', async () => {
    const { sessions, total } = await listSessions(client, { query: { limit: 1, q: 'typed' } });
    expect(sessions.map(({ sessionId }) => sessionId)).toEqual([id]);
    expect(total).toBe(1);
    expect(await live(client)).toEqual({ status: 'ok' });
  });

  test('a prompt that waits for its end', async () => {
    const body = { prompt: scenario({ text: 'Typed and answered.' }) };
    const prompt = await createPrompt(client, { params: { id }, query: { wait: 'true' }, body });
    expect(prompt).toMatchObject({ status: 'completed', response: 'Typed and answered.' });
  });

  test('bytes of a file, there and back', async () => {
    const params = { id, path: 'folder of files/ä ? #.bin' };
    const bytes = new Uint8Array([0, 1, 254, 255]);
    await replaceFile(client, { params, bytes });
    const response = await readFile(client, { params, query: { raw: 'true' } });
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
    const { content } = await readFile(client, { params });
    expect(Buffer.from(content, 'base64')).toEqual(Buffer.from(bytes));
  });

  test('a refusal names the field, the rule and the request', async () => {
    const refused = createPrompt(client, { params: { id }, body: { prompt: '' } });
    await expect(refused).rejects.toBeInstanceOf(RestError);
    await expect(refused).rejects.toMatchObject({
      status: 400,
      code: 'INVALID_REQUEST',
      details: { field: 'prompt', rule: expect.any(String) },
      requestId: expect.any(String),
    });
    await expect(showSession(client, { params: { id: 'none' } })).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
  });

  test('an address that is none, and a parameter that is missing', async () => {
    expect(() => createRestClient({ url: 'ws://127.0.0.1' })).toThrow('url must be an http or https URL');
    expect(() => showSession(client, { params: { id: '' } })).toThrow('params.id must be given');
  });

  test('I1: a prompt whose answers are lost runs once, and has its answer', async () => {
    const network = losing(2);
    const prompt = scenario({ text: 'Only once.' });
    const given = await createPrompt(clientWith(network), {
      params: { id },
      query: { wait: 'true' },
      body: { prompt },
    });
    expect(given).toMatchObject({ status: 'completed', response: 'Only once.' });
    expect(network.statuses.length).toBe(3);
    expect(world.api.runs(prompt)).toBe(1);
  });

  test('an answer that stays lost is the error of the network', async () => {
    const network = losing(9);
    await expect(listSessions(clientWith({ ...network, retries: 1 }))).rejects.toThrow('fetch failed');
    expect(network.statuses).toEqual([200, 200]);
  });

  test('an abort ends the wait, with its reason', async () => {
    const gate = 'aborted';
    const body = { prompt: scenario({ text: 'Late.', gate }) };
    const leaving = new AbortController();
    const asked = createPrompt(client, { params: { id }, query: { wait: 'true' }, body, signal: leaving.signal });
    const ended = expect(asked).rejects.toThrow('I am off');
    await world.api.reached(gate);
    leaving.abort(new Error('I am off'));
    await ended;
    await interruptSession(client, { params: { id } });
    world.api.release(gate);
  });

  test.each(['head', 'body'])('an answer whose %s does not come in time', async (part) => {
    const silent: typeof fetch = async (_url, init) => {
      const gone = new Promise<never>((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
      if (part === 'head') return gone;
      const body = new ReadableStream({ start: (controller) => void gone.catch((reason) => controller.error(reason)) });
      return new Response(body, { headers: { 'content-type': 'application/json' } });
    };
    const asked = live(clientWith({ fetch: silent, timeoutMs: 20, retries: 0 }));
    await expect(asked).rejects.toMatchObject({ name: 'RestError', status: 504 });
  });
});

describe('credentials', () => {
  test('a refused token is renewed once for all that wait, and the requests are repeated', async () => {
    const { accessToken } = await pairDevice(world.daemon);
    let renewals = 0;
    const renewToken = async () => {
      renewals += 1;
      return accessToken;
    };
    const renewing = clientWith({ token: 'expired-expired-expired-expired-expired', renewToken });
    await Promise.all([listSessions(renewing), listSessions(renewing)]);
    expect(renewals).toBe(1);
  });

  test('without another token the refusal is told', async () => {
    await expect(listSessions(clientWith({ token: 'wrong-wrong-wrong-wrong-wrong-wrong' }))).rejects.toMatchObject({
      status: 401,
      code: 'UNAUTHORIZED',
    });
  });
});

describe('event streams', () => {
  /** `fetch` whose bodies end after so many blocks. */
  const breaking =
    (blocks: number): typeof fetch =>
    async (...request) => {
      const response = await fetch(...request);
      if (!response.body) return response;
      let left = blocks;
      const cut = new TransformStream<string, string>({
        transform(text, controller) {
          const parts = text.split(/(?<=\n\n)/);
          const passing = parts.slice(0, left);
          for (const part of passing) controller.enqueue(part);
          left -= passing.filter((part) => part.endsWith('\n\n')).length;
          if (passing.length < parts.length) controller.terminate();
        },
      });
      const body = response.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(cut)
        .pipeThrough(new TextEncoderStream());
      return new Response(body, response);
    };

  test('D3: of a prompt, cut every few blocks: every event once and in order, and then the end', async () => {
    const tools = [{ name: 'Bash', input: { command: 'echo typed' } }];
    const prompt = scenario({ text: 'Before.', tools }, { text: 'After.' });
    const { promptId } = await createPrompt(client, { params: { id }, query: { wait: 'true' }, body: { prompt } });
    const read = async (reader: RestClient) => {
      const events: object[] = [];
      for await (const event of streamPrompt(reader, { params: { id, promptId } })) {
        if (event.type !== 'connected' && event.type !== 'status') events.push(event);
      }
      return events;
    };
    const whole = await read(client);
    expect(whole).toMatchObject([
      { type: 'message', role: 'user' },
      { type: 'message', content: 'Before.' },
      { type: 'tool_use' },
      { type: 'tool_result' },
      { type: 'message', content: 'After.' },
      { type: 'complete', isError: false },
    ]);
    expect(await read(clientWith({ fetch: breaking(2) }))).toEqual(whole);
  });

  test('of a session, until its reader has enough', async () => {
    const statuses: string[] = [];
    const events = streamSession(client, { params: { id } });
    for await (const event of events) {
      if (event.type === 'connected') {
        void createPrompt(client, { params: { id }, body: { prompt: scenario({ text: 'Seen.' }) } });
      }
      if (event.type === 'message') statuses.push(event.content);
      if (event.type === 'complete') break;
    }
    expect(statuses.at(-1)).toBe('Seen.');
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  test('a reader that leaves while nothing comes', async () => {
    const leaving = new AbortController();
    const events = streamSession(client, { params: { id }, signal: leaving.signal });
    expect((await events.next()).value).toMatchObject({ type: 'connected' });
    const next = expect(events.next()).rejects.toThrow('Enough');
    leaving.abort(new Error('Enough'));
    await next;
  });

  test('a session that is not there', async () => {
    await expect(streamSession(client, { params: { id: 'none' } }).next()).rejects.toMatchObject({ status: 404 });
  });
});

describe('what is sent again', () => {
  const lost = new TypeError('fetch failed');
  const call = (method: string, input = {}) => ({ method, path: '/', input });

  test.each([
    ['a GET without an answer', call('GET'), lost, true],
    ['a POST without an answer, under its key', call('POST'), lost, true],
    ['a DELETE without an answer', call('DELETE'), lost, true],
    ['a PATCH without an answer', call('PATCH'), lost, false],
    ['a PUT of one version', call('PUT', { ifMatch: '"a"' }), lost, false],
    ['an answer of a proxy', call('GET'), new RestError({ status: 502, message: '' }), true],
    ['a page of a proxy', call('GET'), new RestError({ status: 404, message: '' }), false],
    ['a PATCH that a proxy lost', call('PATCH'), new RestError({ status: 504, message: '' }), false],
    ['what is refused', call('GET'), new RestError({ status: 400, code: 'INVALID_REQUEST', message: '' }), false],
    [
      'a mistake of the daemon',
      call('GET'),
      new RestError({ status: 500, code: 'INTERNAL_ERROR', message: '' }),
      false,
    ],
  ])('%s: %#', (_name, asked, failure, isRepeated) => {
    expect(pauseBefore(1, asked, failure) !== undefined).toBe(isRepeated);
  });

  test('what the daemon asks to wait for is waited for, unless that is long', () => {
    const busy = (retryAfterMs: number) =>
      new RestError({ status: 429, code: 'RATE_LIMITED', message: '', retryAfterMs });
    expect(pauseBefore(1, call('PATCH'), busy(2000))).toBe(2000);
    expect(pauseBefore(1, call('PATCH'), busy(60_000))).toBeUndefined();
  });
});

test('who uses one function bundles no other, and no schema', async () => {
  const entry = join(import.meta.dirname, '../../dist/client/rest/index.js');
  const contents = `import { createRestClient, showUsage } from ${JSON.stringify(entry)};
    console.log(await showUsage(createRestClient({ url: 'http://localhost' })));`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
  });
  const [text = ''] = outputFiles.map((file) => file.text);
  expect(text).toContain('/api/usage');
  expect(text).not.toContain('/api/sessions');
  expect(text.length).toBeLessThan(12_000);
});
