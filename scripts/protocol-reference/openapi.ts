/** The OpenAPI document of the REST interface, from the command table and the schemas. */
import type * as z from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { type RestCommand, ROUTES, type RouteRule } from '../../protocol/commands/rest.js';
import { REST_EXAMPLES } from '../../protocol/examples.js';
import { errorBodySchema } from '../../protocol/rest.js';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';
import { capitalised } from './field-table.js';
import { createSchemaParts, type SchemaParts } from './schema-parts.js';

type Json = Record<string, unknown>;

const ABOUT =
  'The REST interface of Claude Companion. All ids are opaque. Each path below `/api/sessions` is below `/api/claude-code/sessions` too. Unknown query parameters and fields are ignored. A later version may add fields to an answer.';

/** An OpenAPI 3.1 document of all routes but those of the local socket. */
export function openApi(): Json {
  const parts = createSchemaParts();
  const error = parts.of(errorBodySchema, 'output');
  const paths: Record<string, Json> = {};
  for (const rule of ROUTES.filter(({ local, path }) => !local && !path.startsWith('/api/claude-code/'))) {
    const path = rule.path.replace(/[:*](\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [rule.method.toLowerCase()]: operationOf(rule, parts) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Claude Companion',
      version: packageJson.version,
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [...new Set(Object.keys(paths).map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token of a device, a key, or `AUTH_TOKEN`.' },
      },
      responses: { Error: { description: 'An error.', content: { 'application/json': { schema: error } } } },
      schemas: parts.components,
    },
  };
}

function operationOf(rule: RouteRule, parts: SchemaParts): Json {
  const { command, needs, body, query, path, method } = rule;
  const { note } = REST_ANSWERS[command];
  const example = REST_EXAMPLES[command];
  return {
    operationId: command,
    tags: [tagOf(path)],
    summary: inWords(command),
    ...(note !== undefined && { description: `${capitalised(note)}.` }),
    ...(needs === 'none' && { security: [{}, { bearer: [] }] }),
    'x-needs': needs,
    parameters: [...pathParameters(path), ...queryParameters(query, parts), ...headerParameters(method)],
    ...(body && {
      requestBody: {
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: parts.of(body), ...(example !== undefined && { example }) } },
      },
    }),
    responses: { ...answersOf(command, parts), default: { $ref: '#/components/responses/Error' } },
  };
}

function answersOf(command: RestCommand, parts: SchemaParts): Json {
  const { shape, statuses = [200], type = 'application/json' } = REST_ANSWERS[command];
  const content = { [type]: shape ? { schema: parts.of(shape, 'output') } : {} };
  return Object.fromEntries(
    statuses.map((status) => [String(status), { description: MEANINGS[status] ?? 'Success.', content }]),
  );
}

const MEANINGS: Readonly<Record<number, string>> = {
  200: 'Success.',
  201: 'Created.',
  202: 'Accepted.',
  503: 'Not able to serve.',
};

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/([:*])(\w+)/g)].map(([, kind, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1 },
    ...(kind === '*' && { description: 'One segment or more.' }),
  }));

function queryParameters(query: z.ZodType | undefined, parts: SchemaParts): Json[] {
  if (!query) return [];
  // With what coercion leaves: a number is written as its digits.
  const { properties = {} } = parts.of(query, 'output') as { properties?: Record<string, Json> };
  const { required = [] } = parts.of(query) as { required?: string[] };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema,
  }));
}

const KEY = { name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', minLength: 1 } };

const headerParameters = (method: string): Json[] => (method === 'POST' ? [KEY] : []);

/** The folder below `/api`, or the first one. */
const tagOf = (path: string): string => {
  const [first = '', second = ''] = path.split('/').slice(1);
  return first === 'api' ? second : first === 'v1' ? 'v1' : 'daemon';
};

const inWords = (command: string): string =>
  capitalised(command.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));
