/** Every kind of bad input over HTTP: an error that names the field and the rule, and nothing has changed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findRepeatedKey } from '../../protocol/repeated-key.js';
import type { ErrorBody, SessionView } from '../../protocol/rest.js';
import { anyCharacter } from '../support/any-character.js';
import { OPEN_API } from '../support/api-answers.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

// No session here has a turn: its child need not be the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH, LIMIT_READS: '100000' } });
let id = '';
let directory = '';
const json = { 'content-type': 'application/json' };
const PROMPT_LIMIT = 8 * 1024 * 1024;

beforeAll(async () => {
  directory = world.daemon.project();
  writeFileSync(join(directory, 'NOTES.md'), 'notes');
  const body = JSON.stringify({ workingDirectory: directory });
  const opened = await world.daemon.fetch('/api/sessions', { method: 'POST', headers: json, body });
  id = ((await opened.json()) as SessionView).id;
  await waitUntil('it is idle', async () => JSON.stringify(await state()).includes('"status":"idle"'));
});

const get = async (path: string) => (await world.daemon.fetch(path)).json();

/** Without what changes by itself. */
async function state(): Promise<unknown> {
  const { sessions } = (await get('/api/sessions')) as { sessions: SessionView[] };
  const views = sessions.map((view) => ({ ...view, memoryBytes: 0, uptimeSeconds: 0 }));
  const places = ['files?recursive=true', 'prompts', 'remembered'].map((place) => `/api/sessions/${id}/${place}`);
  return [views, ...(await Promise.all([...places, '/api/keys', '/api/devices'].map(get)))];
}

interface Bad {
  method?: string;
  /** `:id` is the session. */
  path: string;
  body?: string;
  headers?: Record<string, string>;
  status?: number;
  field: string;
  rule?: RegExp;
}

async function expectRefused({ method = 'GET', path, body, headers = {}, status = 400, field, rule = /./ }: Bad) {
  const response = await world.daemon.fetch(path.replace(':id', id), {
    method,
    ...(body !== undefined && { body }),
    headers: { ...(body !== undefined && json), ...headers },
  });
  const { error } = (await response.json()) as ErrorBody;
  expect({ status: response.status, error }).toMatchObject({
    status,
    error: {
      code: status === 413 ? 'PAYLOAD_TOO_LARGE' : 'INVALID_REQUEST',
      details: { field, rule: expect.stringMatching(rule) },
    },
  });
}

const PATCH = { method: 'PATCH', path: '/api/sessions/:id' };
const brackets = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const files = (query: string) => `/api/sessions/:id/files${query}`;

const KINDS: [string, Bad][] = [
  ['no JSON', { ...PATCH, body: '{"tag":', field: 'body' }],
  ['a text in place of an object', { ...PATCH, body: '"tag"', field: 'body' }],
  ['too deep', { ...PATCH, body: `{"metadata":{"x":${brackets(10_000)}}}`, field: 'body', rule: /500 deep/ }],
  ['a field too deep', { ...PATCH, body: `{"metadata":{"x":${brackets(400)}}}`, field: 'metadata' }],
  ['a list too deep', { ...PATCH, body: brackets(100_000), field: 'body' }],
  [
    'too many brackets',
    { ...PATCH, body: `{"x":[${'[],'.repeat(200_000)}[]]}`, field: 'body', rule: /outside of strings/ },
  ],
  ['too large', { ...PATCH, body: JSON.stringify({ context: 'x'.repeat(1024 * 1024) }), status: 413, field: 'body' }],
  [
    'a prompt that is too large',
    {
      method: 'POST',
      path: '/api/sessions/:id/prompts',
      body: `{"prompt":"${'x'.repeat(PROMPT_LIMIT)}"}`,
      status: 413,
      field: 'prompt',
    },
  ],
  ['half of a character', { ...PATCH, body: '{"sessionName":"\\ud800"}', field: 'sessionName' }],
  ['a key twice', { ...PATCH, body: '{"tag":"a","tag":"b"}', field: 'tag', rule: /once/ }],
  ['a key twice, once in other words', { ...PATCH, body: '{"tag":"a","\\u0074ag":"b"}', field: 'tag', rule: /once/ }],
  [
    'a key twice in a list',
    { ...PATCH, body: '{"metadata":{"list":[{},{"k":1, "k" :1}]}}', field: 'metadata.list.1.k', rule: /once/ },
  ],
  ['a key twice that is not read', { ...PATCH, body: '{"other":{"":1,"":1}}', field: 'other.', rule: /once/ }],
  [
    'a file with a key twice',
    { method: 'PUT', path: files('/NOTES.md'), body: '{"content":"a","content":"b"}', field: 'content' },
  ],
  ['a parameter twice', { path: '/api/sessions?limit=1&limit=2', field: 'limit' }],
  [
    'a glob that explodes',
    { path: files(`?recursive=true&pattern=${'{a,b}'.repeat(25)}`), field: 'pattern', rule: /alternatives/ },
  ],
  ['a long glob', { path: files(`?pattern=${'*'.repeat(129)}`), field: 'pattern' }],
  [
    'a range that cannot be',
    { path: files('/NOTES.md?raw=true'), headers: { range: 'bytes=9-' }, status: 416, field: 'Range' },
  ],
  ['a range of other units', { path: files('/NOTES.md?raw=true'), headers: { range: 'lines=1-2' }, field: 'Range' }],
  ['a version without quotes', { ...PATCH, body: '{}', headers: { 'if-match': 'x' }, field: 'If-Match' }],
  [
    'a position that is none',
    { path: '/api/sessions/:id/stream', headers: { 'last-event-id': 'x' }, field: 'Last-Event-ID' },
  ],
  [
    'a key of spaces',
    { method: 'POST', path: '/api/keys', body: '{}', headers: { 'idempotency-key': 'a b' }, field: 'Idempotency-Key' },
  ],
  ['a cursor of another list', { path: '/v1/projects?cursor=MQ', field: 'cursor' }],
];

test.each(KINDS)('O1: %s is refused by field and rule, and changes nothing', async (_, bad) => {
  const before = await state();
  await expectRefused(bad);
  expect(await state()).toEqual(before);
});

test('O1: a position of another epoch is answered with a reset that names the field', async () => {
  const controller = new AbortController();
  const response = await world.daemon.fetch(`/api/sessions/${id}/stream`, {
    headers: { 'last-event-id': 'another:1' },
    signal: controller.signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('"field"')) text += (await reader?.read())?.value;
  controller.abort();
  expect(text).toMatch(/^event: reset$/m);
  expect(text).toContain('"field":"Last-Event-ID"');
});

const NUMBERS = Object.entries(OPEN_API.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { parameters }]) =>
    parameters.flatMap((parameter) => {
      const { minimum, maximum } = parameter.schema as { minimum?: number; maximum?: number };
      if (parameter.in !== 'query' || minimum === undefined || maximum === undefined) return [];
      return [[method.toUpperCase(), path, parameter.name, minimum, maximum] as const];
    }),
  ),
);

test.each(NUMBERS)(
  'O1: %s %s: %s beyond its bounds is refused by its field',
  async (method, path, field, least, most) => {
    expect(NUMBERS.length).toBeGreaterThan(20);
    for (const value of [least - 1, most + 1, '1.5', 'one', '1e400', '', '0x10', ' 5', '1e1']) {
      const query = new URLSearchParams({ workingDirectory: directory, q: 'x', [field]: String(value) });
      await expectRefused({
        path: `${path.replace('{id}', id)}?${query.toString()}`,
        method,
        field,
        ...(method === 'POST' && { body: '{"prompt":"x"}' }),
      });
    }
  },
);

const RUNS = { numRuns: 50 };

test('a repeated key is found where the text has one, and nowhere else', () => {
  expect(findRepeatedKey('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}],"c":"{\\"a\\":1,\\"a\\":1}"}')).toBeUndefined();
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.integer({ min: 0, max: 2 }), (text, space) => {
      const value: unknown = JSON.parse(text);
      expect(findRepeatedKey(JSON.stringify(value, null, space))).toBeUndefined();
    }),
    RUNS,
  );
  const key = fc.string({ unit: anyCharacter });
  fc.assert(
    fc.property(fc.uniqueArray(key, { minLength: 1 }), fc.nat(), fc.jsonValue(), (keys, at, value) => {
      const again = keys[at % keys.length] ?? '';
      const members = [...keys, again].map((one) => `${JSON.stringify(one)}:${JSON.stringify(value)}`);
      expect(findRepeatedKey(`[0,{${members.join(' , ')}}]`)).toBe(`1.${again}`);
    }),
    RUNS,
  );
});
