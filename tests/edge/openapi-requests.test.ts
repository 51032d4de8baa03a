/** Requests made from `openapi.json` at random: each is answered soon, as the document says, and none fails by itself. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { SessionView } from '../../protocol/rest.js';
import { OPEN_API, type Operation } from '../support/api-answers.js';
import { countOf } from '../support/counts.js';
import { valuesOf } from '../support/schema-values.js';
import { useWorld } from '../support/world.js';

// What sessions are told does not matter here.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });
/** A turn of the stand-in takes as long as it likes, and a chat or a response waits for it. */
const LONG = new Set(['completeChat', 'createResponse']);
const WITHIN_MS = 10_000;
const parts = OPEN_API.components.schemas;
let session: SessionView;

interface Request {
  method: string;
  path: string;
  operation: Operation;
  ids: string[];
  query: Record<string, unknown>;
  body: unknown;
}

const operations = Object.entries(OPEN_API.paths).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(([, { operationId }]) => !LONG.has(operationId))
    .map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

const id = fc.oneof(
  { weight: 4, arbitrary: fc.constant('SESSION') },
  { weight: 1, arbitrary: fc.constantFrom('x', 'NOTES.md', '..', '%2e%2e', '0') },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
);

const requests: fc.Arbitrary<Request> = fc.constantFrom(...operations).chain(({ path, method, operation }) => {
  const parameters = operation.parameters.filter((parameter) => parameter.in === 'query');
  const fields = parameters.map(({ name, schema }) => [name, valuesOf(schema, parts)] as const);
  const schema = operation.requestBody?.content['application/json'].schema;
  return fc.record({
    method: fc.constant(method),
    path: fc.constant(path),
    operation: fc.constant(operation),
    ids: fc.array(id, { minLength: 3, maxLength: 3 }),
    query: fc.record(Object.fromEntries(fields), { requiredKeys: [] }),
    body: schema ? valuesOf(schema, parts) : fc.constant(undefined),
  });
});

async function open(): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ folderName: 'open' });
  session = (await (
    await world.daemon.fetch('/api/sessions', { method: 'POST', body, headers })
  ).json()) as SessionView;
}

beforeAll(async () => {
  const folder = world.daemon.project('open');
  mkdirSync(join(folder, 'inner'));
  writeFileSync(join(folder, 'NOTES.md'), 'notes');
  await open();
  // The first values take seconds on a busy machine.
  fc.sample(requests, 20);
});

const addressOf = ({ path, ids, query }: Request): string => {
  let index = 0;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const named = ids[index] ?? 'x';
    index += 1;
    if (named !== 'SESSION') return encodeURIComponent(named);
    return name === 'path' ? 'NOTES.md' : session.id;
  });
  const pairs = Object.entries(query).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return `${filled}?${new URLSearchParams(pairs).toString()}`;
};

test('O1: any request from the document is answered as the document says, and none fails by itself', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const response = await world.daemon.fetch(addressOf(request), {
        method: request.method,
        signal: AbortSignal.timeout(WITHIN_MS),
        ...(request.body !== undefined && {
          body: JSON.stringify(request.body),
          headers: { 'content-type': 'application/json' },
        }),
      });
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
      if (isStream) await response.body?.cancel();
      const said = isStream ? '' : await response.text();
      const { operationId } = request.operation;
      // The next ones need a session too.
      if (request.method === 'DELETE' && response.ok) await open();
      // A question or a list can need a CLI, which the stand-in is not.
      const isExpected = response.status < 500 || said.includes('"CLAUDE_UNAVAILABLE"') || said.includes('"TIMEOUT"');
      expect({ operationId, status: response.status, said: isExpected ? '' : said }).toEqual({
        operationId,
        status: expect.any(Number),
        said: '',
      });
    }),
    { numRuns: countOf({ full: 5000, fast: 250 }), endOnFailure: true },
  );
});
