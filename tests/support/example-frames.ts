/** Frames that the schemas take, made from the schemas. */
import * as z from 'zod';
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import type { SessionId } from '../../protocol/scalars.js';

/** Stands for the session that exists, whose id is known only when the tests run. */
export const SESSION = 'the-session-that-exists' as SessionId;

/** What `z.toJSONSchema` says of a field. */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema;
  items?: Schema;
  maxItems?: number;
  maxLength?: number;
  enum?: string[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
}

export const schemaOf = (type: ClientFrameType): Schema =>
  z.toJSONSchema(CLIENT_FRAMES[type], { io: 'input', unrepresentable: 'any' }) as Schema;

/** A value that the schema takes, with every optional field there. */
export function example(schema: Schema, name = ''): unknown {
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return schema.properties ? exampleFields(schema.properties) : { key: example(schema.additionalProperties ?? {}) };
    case 'array':
      return [example(schema.items ?? {}, name)];
    case 'integer':
      return schema.minimum ?? 0;
    case 'boolean':
      return true;
    case 'string':
    case undefined:
      break;
  }
  return exampleText(schema, name);
}

const exampleFields = (properties: Record<string, Schema>) =>
  Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, example(field, name)]));

function exampleText({ format }: Schema, name: string): string {
  if (format === 'uuid') return '11111111-1111-4111-8111-111111111111';
  if (format === 'base64') return 'aGVsbG8=';
  return EXAMPLES.get(name) ?? (name === 'sessionId' || name === 'sessionIds' ? SESSION : 'text');
}

/** Texts of which a schema knows more than it says. */
const EXAMPLES: ReadonlyMap<string, string> = new Map([
  ['token', 'ab'.repeat(32)],
  ['encryptionKey', Buffer.alloc(32).toString('base64')],
  ['from', '22:00'],
  ['to', '07:00'],
  ['timeZone', 'Europe/Berlin'],
]);
