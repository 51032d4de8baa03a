/** The generated blocks of the documents, by kind. */

import { SCOPE_MEANINGS, SCOPES } from '../../protocol/access.js';
import { CAPABILITIES, CLI_NEEDS } from '../../protocol/capabilities.js';
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import { FRAME_COMMANDS } from '../../protocol/commands/frames.js';
import { ROUTES, type RouteRule } from '../../protocol/commands/rest.js';
import type { RestNeed } from '../../protocol/commands/rules.js';
import { CLOSE, CLOSE_MEANINGS, ERROR_MEANINGS, ERROR_STATUS, type ErrorCode } from '../../protocol/error-codes.js';
import { EVENTS } from '../../protocol/events.js';
import { envelopeSchema } from '../../protocol/parse-client-frame.js';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';
import { ANSWERS, FRAME_ANSWERS, POSITIONED, serverEnvelopeSchema } from '../../protocol/server-frames.js';
import { capitalised, fieldTable, inlineShape, tableOf, typeOf } from './field-table.js';
import { rateLimitTable, sizeTable } from './limit-tables.js';
import { except, NAMED_SHAPES, type NamedShapes } from './named-shapes.js';
import { defOf, type Schema } from './schema-rules.js';

/** Makes the text of a block; `name` is what follows the kind in its marker. */
type Block = (shapes: NamedShapes, name: string) => string;

const needInWords = (need: RestNeed): string =>
  need === 'credential' ? 'any' : need === 'actionToken' ? 'approve, or an action token' : need;

const NEEDED: ReadonlyMap<string, { since: string }> = new Map(Object.entries(CLI_NEEDS));

function neededVersion(capability: string): string {
  const need = NEEDED.get(capability);
  return need ? `${need.since} or later` : '';
}

const isFrame = (name: string): name is ClientFrameType => Object.hasOwn(CLIENT_FRAMES, name);

function frameBlock(shapes: NamedShapes, name: string): string {
  if (!isFrame(name)) throw new Error(`${name} is not a frame of a client`);
  const { needs, counts, ordered } = FRAME_COMMANDS[name];
  const facts = [
    `needs: ${needInWords(needs)}`,
    ...(counts ? ['counts as a prompt'] : []),
    ...(ordered ? ['finished before the next frame begins'] : []),
  ];
  const fields = fieldTable(CLIENT_FRAMES[name], { shapes, isInput: true });
  return [`${capitalised(facts.join('; '))}.`, fields, ...answerOf(shapes, name)].join('\n\n');
}

function answerOf(shapes: NamedShapes, name: ClientFrameType): string[] {
  if (name === 'ack') return ['No answer, except an error.'];
  const answer = FRAME_ANSWERS[name];
  if (answer === 'sessionStatus') return [`Answer: a copy of ${typeOf(EVENTS.sessionStatus, shapes)}.`];
  return [`Answer: \`${answer}\``, fieldTable(ANSWERS[answer], { shapes, isInput: false })];
}

function framesTable(): string {
  const rows = Object.entries(FRAME_COMMANDS).map(([name, { needs, audit = '' }]) => [
    `[\`${name}\`](#${HEADINGS.get(name) ?? name.toLowerCase()})`,
    needInWords(needs),
    isFrame(name) && name !== 'ack' ? `\`${FRAME_ANSWERS[name]}\`` : 'none',
    audit && `\`${audit}\``,
  ]);
  return tableOf(['frame', 'needs', 'answer', 'audit entry'], rows);
}

/** Frames that share a section. */
const HEADINGS = new Map([
  ['setModel', 'setmodel-setpermissionmode'],
  ['setPermissionMode', 'setmodel-setpermissionmode'],
  ['setEffort', 'seteffort-setthinking'],
  ['setThinking', 'seteffort-setthinking'],
  ['clientBackgrounding', 'clientbackgrounding-clientforegrounding'],
  ['clientForegrounding', 'clientbackgrounding-clientforegrounding'],
]);

/** The same routes exist at a former address, too. */
const isAlias = ({ path }: RouteRule): boolean => path.startsWith('/api/claude-code/');
const requestOf = ({ method, path }: RouteRule): string => `${method} ${path}`;
const anchorOf = (request: string): string =>
  request
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-');

function routesTable(shapes: NamedShapes, which: string): string {
  const rows = ROUTES.filter((rule) => !isAlias(rule) && (rule.local === true) === (which === 'local')).map((rule) => {
    const request = `\`${requestOf(rule)}\``;
    const { note = '', shape } = REST_ANSWERS[rule.command];
    const answer = [shape ? shapes.linkOf(shape) : undefined, note].filter(Boolean).join(': ');
    return [
      hasSection(rule, shapes) ? `[${request}](#${anchorOf(requestOf(rule))})` : request,
      ...needOf(rule),
      answer,
    ];
  });
  return tableOf(['request', ...(which === 'local' ? [] : ['needs']), 'answer'], rows);
}

const needOf = ({ needs, local }: RouteRule): string[] => (local ? [] : [needInWords(needs)]);

const hasSection = (rule: RouteRule, shapes: NamedShapes): boolean => sectionOf(rule, shapes).length > 1;

function sectionOf(rule: RouteRule, shapes: NamedShapes): string[] {
  const { shape } = REST_ANSWERS[rule.command];
  return [
    `### \`${requestOf(rule)}\``,
    ...(rule.query ? ['Query:', fieldTable(rule.query, { shapes, isInput: true })] : []),
    ...(rule.body ? ['Body:', fieldTable(rule.body, { shapes, isInput: true })] : []),
    ...(shape && shapes.linkOf(shape) === undefined ? answerTable(shape, shapes) : []),
  ];
}

function answerTable(shape: Schema, shapes: NamedShapes): string[] {
  const def = defOf(shape);
  const [first = shape] = def.type === 'union' ? def.options : [];
  return ['Answer:', fieldTable(first, { shapes, isInput: false })];
}

function routeSections(shapes: NamedShapes): string {
  const rules = ROUTES.filter((rule) => !isAlias(rule) && hasSection(rule, shapes));
  return rules.map((rule) => sectionOf(rule, shapes).join('\n\n')).join('\n\n');
}

function schemaBlock(schemas: Readonly<Record<string, Schema>>, isInput = false): Block {
  return (shapes, name) => {
    const schema = schemas[name];
    if (!schema) throw new Error(`There is no schema ${name}`);
    const options = { shapes: except(shapes, schema), isInput };
    const def = defOf(schema);
    if (def.type === 'union') return def.options.map((option) => `- ${inlineShape(option)}`).join('\n');
    return fieldTable(schema, options);
  };
}

export const BLOCKS: Readonly<Record<string, Block>> = {
  frames: framesTable,
  frame: frameBlock,
  event: schemaBlock(EVENTS),
  message: schemaBlock({ ...ANSWERS, ...POSITIONED }),
  shape: schemaBlock(NAMED_SHAPES),
  input: schemaBlock(NAMED_SHAPES, true),
  'client-envelope': (shapes) => fieldTable(envelopeSchema, { shapes, isInput: true }),
  'server-envelope': (shapes) => fieldTable(serverEnvelopeSchema, { shapes, isInput: false }),
  routes: routesTable,
  'route-sections': routeSections,
  errors: () =>
    tableOf(
      ['code', 'HTTP', 'meaning'],
      Object.entries(ERROR_STATUS).map(([code, status]) => [
        `\`${code}\``,
        String(status),
        ERROR_MEANINGS[code as ErrorCode],
      ]),
    ),
  'close-codes': () =>
    tableOf(
      ['code', 'meaning', 'what a client does'],
      Object.entries(CLOSE).map(([name, code]) => {
        const { meaning, client } = CLOSE_MEANINGS[name as keyof typeof CLOSE];
        return [String(code), meaning, client];
      }),
    ),
  scopes: () =>
    tableOf(
      ['scope', 'a credential with it may'],
      SCOPES.map((scope) => [`\`${scope}\``, SCOPE_MEANINGS[scope]]),
    ),
  capabilities: () =>
    tableOf(
      ['capability', 'meaning', 'Claude Code'],
      Object.entries(CAPABILITIES).map(([name, meaning]) => [`\`${name}\``, meaning, neededVersion(name)]),
    ),
  sizes: sizeTable,
  'rate-limits': rateLimitTable,
};
