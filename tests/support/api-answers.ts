/** Holds answers of the daemon against `docs/protocol/openapi.json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as Ajv from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { findRoute } from '../../routes/access/find-route.js';
import { requireKept, validators } from './kept.js';

type Json = Record<string, unknown>;

export interface Operation {
  operationId: string;
  parameters: { name: string; in: 'path' | 'query' | 'header'; required: boolean; schema: Json }[];
  requestBody?: { content: { 'application/json': { schema: Json; example?: unknown } } };
  responses: Record<string, Answer>;
}

interface Answer {
  content?: Record<string, { schema?: Json }>;
}

export interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Answer>; schemas: Json };
}

export const OPEN_API: OpenApi = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/protocol/openapi.json'), 'utf8'),
);

/** Compiles what is needed alone, and does not check the document again: a test waits for it with its loop blocked. */
function validatorOf(schema: Json, name: string): ValidateFunction {
  const { Ajv2020 } = requireKept('ajv/dist/2020.js') as Pick<typeof Ajv, 'Ajv2020'>;
  const known = validators.get(name);
  if (known) return known;
  const ajv = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false, meta: false });
  const compiled = ajv.compile({ components: OPEN_API.components, allOf: [schema] });
  validators.set(name, compiled);
  return compiled;
}

/** What is wrong with an answer by the document; undefined when nothing is. */
export async function wrongWith(method: string, path: string, response: Response): Promise<string | undefined> {
  const rule = findRoute(method, path);
  if (!rule || rule.local || method === 'HEAD' || !isWholeJson(response)) return undefined;
  const documented = rule.path.replace('/api/claude-code/', '/api/').replace(/[:*](\w+)/g, '{$1}');
  const operation = OPEN_API.paths[documented]?.[rule.method.toLowerCase()];
  return operation ? await compare(operation, response) : `${rule.method} ${documented} is not in the document`;
}

/** An answer in pieces can be long, or never end. */
function isWholeJson({ headers }: Response): boolean {
  const [type] = (headers.get('content-type') ?? '').split(';');
  return type === 'application/json' && headers.has('content-length');
}

async function compare({ operationId, responses }: Operation, response: Response): Promise<string | undefined> {
  const { status } = response;
  const known = responses[status];
  if (!known && status < 400) return `${operationId} answers ${status}, which the document lacks`;
  const { schema = {} } = (known ?? OPEN_API.components.responses.Error)?.content?.['application/json'] ?? {};
  const validate = validatorOf(schema, known ? `${operationId} ${status}` : 'Error');
  if (validate(await response.clone().json())) return undefined;
  const [first] = validate.errors ?? [];
  return `${operationId} ${status}: ${first?.instancePath} ${first?.message}`;
}
