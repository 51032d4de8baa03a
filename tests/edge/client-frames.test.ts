import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import { example, type Schema, SESSION, schemaOf } from '../support/example-frames.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const TYPES = Object.keys(CLIENT_FRAMES) as ClientFrameType[];

type Path = (string | number)[];

/** A value for one place of a frame, by which the frame must be refused. */
interface Fault {
  path: Path;
  /** Left out where the place itself is. */
  value?: unknown;
  what: string;
  code: 'INVALID_REQUEST' | 'PAYLOAD_TOO_LARGE';
}

const wrong = (path: Path, what: string, value?: unknown): Fault => ({
  path,
  what: `${path.join('.')} ${what}`,
  value,
  code: 'INVALID_REQUEST',
});

const tooLarge = (path: Path, what: string, value: unknown): Fault => ({
  ...wrong(path, what, value),
  code: 'PAYLOAD_TOO_LARGE',
});

const SAMPLES: [is: string, what: string, value: unknown][] = [
  ['null', 'is null', null],
  ['integer', 'is a number', 7],
  ['string', 'is a text', '7'],
  ['boolean', 'is true', true],
  ['array', 'is a list', []],
  ['object', 'is an object', {}],
  ['fraction', 'is a fraction', 1.5],
];

function* faults(schema: Schema, path: Path): Generator<Fault> {
  if (schema.type === undefined) return;
  if (path.length > 0) {
    for (const [is, what, value] of SAMPLES) if (is !== schema.type) yield wrong(path, what, value);
  }
  yield* FAULTS_OF[schema.type](schema, path);
}

const FAULTS_OF: Record<NonNullable<Schema['type']>, (schema: Schema, path: Path) => Generator<Fault>> = {
  *object({ properties, required = [], additionalProperties }, path) {
    for (const name of required) yield wrong([...path, name], 'is missing');
    for (const [name, field] of Object.entries(properties ?? {})) yield* faults(field, [...path, name]);
    if (additionalProperties) yield* faults(additionalProperties, [...path, 'key']);
  },
  *array({ items = {}, maxItems }, path) {
    const item = example(items);
    if (maxItems !== undefined) {
      yield wrong(
        path,
        `has ${maxItems + 1} items`,
        Array.from({ length: maxItems + 1 }, () => item),
      );
    }
    if (items.properties?.data?.format === 'base64') {
      const half = { mediaType: 'image/png', data: Buffer.alloc(4 * MIB + 1).toString('base64') };
      yield tooLarge(path, 'are 8 MiB and 2 bytes together', [half, half]);
    }
    yield* faults(items, [...path, 0]);
  },
  *integer({ minimum, maximum }, path) {
    if (minimum !== undefined) yield wrong(path, `is ${minimum - 1}`, minimum - 1);
    if (maximum !== undefined) yield wrong(path, `is ${maximum + 1}`, maximum + 1);
  },
  *string(schema, path) {
    const values = wrongTexts(schema);
    if (values) for (const value of values) yield wrong(path, is(value), value);
    else if (schema.maxLength !== undefined) yield wrong(path, 'is too long', 'x'.repeat(schema.maxLength + 1));
    else yield* overlong(path);
  },
  *boolean() {},
};

/** Texts that a choice, a format or a pattern does not allow; undefined where any text will do. */
function wrongTexts({ enum: choices, format, pattern }: Schema): string[] | undefined {
  if (choices) return ['nonsense', '', (choices[0] ?? '').toUpperCase()];
  if (format === 'uuid') return ['not-a-uuid', ''];
  if (format === 'base64') return ['***', 'abc', ''];
  return pattern === undefined ? undefined : ['', '--model', 'a b', 'a\nb'];
}

const is = (value: unknown) => `is ${JSON.stringify(value)}`;

const isPrompt = (path: Path) => path.length === 1 && ['prompt', 'command', 'question'].includes(String(path[0]));
const boundOf = (path: Path) => (isPrompt(path) ? MIB : 64 * KIB);

/** Texts have one bound for all, and it is one of bytes. Texts of `answers` have it together. */
function* overlong(path: Path): Generator<Fault> {
  const bound = boundOf(path);
  const judged = path[0] === 'answers' ? path.slice(0, 1) : path;
  const what = path === judged ? '' : `.${path.slice(1).join('.')}`;
  const over = { 'letters of one byte': 'x'.repeat(bound + 1), 'letters of three': '€'.repeat(bound / 3 + 1) };
  for (const [letters, value] of Object.entries(over)) {
    const whole = path === judged ? value : { key: value };
    yield tooLarge(judged, `${what} is over ${bound / KIB} KiB in ${letters}`.trim(), whole);
  }
}

/** Texts that may be empty; every other one must say something. */
const MAY_BE_EMPTY = new Set([
  'streamStart.prompt',
  'streamStart.traceparent',
  'streamStart.options.sessionName',
  'streamStart.attachments.0.name',
  'streamSend.prompt',
  'streamSend.traceparent',
  'streamSend.attachments.0.name',
  'streamClose.reason',
  'permission.answers.key',
  'permission.message',
  'registerDevice.name',
  'suggestFiles.query',
]);

/** Texts of which their form says how long they may be. */
const OF_A_FORM = new Set([
  'suggestFiles.query',
  'registerDevice.token',
  'registerDevice.encryptionKey',
  'registerDevice.preferences.quietHours.timeZone',
]);

function* texts(schema: Schema, path: Path): Generator<Path> {
  const { properties = {}, items, additionalProperties } = schema;
  for (const [name, field] of Object.entries(properties)) yield* texts(field, [...path, name]);
  if (items) yield* texts(items, [...path, 0]);
  if (additionalProperties) yield* texts(additionalProperties, [...path, 'key']);
  if (schema.type === 'string' && !schema.enum && !schema.pattern) yield path;
}

const emptyTexts = (type: ClientFrameType): Fault[] =>
  [...texts(schemaOf(type), [])]
    .filter((path) => !MAY_BE_EMPTY.has([type, ...path].join('.')))
    .map((path) => wrong(path, 'is empty', ''));

/** The example with this value at this place, or without the place where the fault is that it is missing. */
function broken(type: ClientFrameType, { path, value }: Pick<Fault, 'path' | 'value'>): unknown {
  const whole = structuredClone(example(schemaOf(type))) as Record<string, unknown>;
  const last = path.at(-1) ?? '';
  const holder = path.slice(0, -1).reduce<Record<string, unknown>>((at, step) => at[step] as typeof at, whole);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return whole;
}

interface Row {
  type: ClientFrameType;
  what: string;
  /** Built when it is needed: some are megabytes. */
  data: () => unknown;
  field: string;
  code: Fault['code'];
}

const row = (type: ClientFrameType, fault: Fault): Row => ({
  type,
  what: fault.what,
  data: () => broken(type, fault),
  field: fault.path.join('.'),
  code: fault.code,
});

const TABLE: Row[] = TYPES.flatMap((type) =>
  [...faults(schemaOf(type), []), ...emptyTexts(type)].map((fault) => row(type, fault)),
);

const WHOLE: Row[] = TYPES.flatMap((type) =>
  SAMPLES.filter(([kind]) => kind !== 'object' && kind !== 'null').map(
    ([, what, data]): Row => ({ type, what: `data ${what}`, data: () => data, field: 'data', code: 'INVALID_REQUEST' }),
  ),
);

const ABSENT: Row[] = TYPES.filter((type) => schemaOf(type).required).flatMap((type) =>
  [undefined, null].map(
    (data): Row => ({
      type,
      what: `data is ${data === null ? 'null' : 'missing'}`,
      data: () => data,
      field: schemaOf(type).required?.[0] ?? '',
      code: 'INVALID_REQUEST',
    }),
  ),
);

const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
const manyCursors = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`${at}`, { epoch: 'e', seq: 1 }]));

/** Rules that a JSON schema cannot tell. */
const RULES: Row[] = [
  {
    ...row('streamSend', wrong(['prompt'], 'is blank and nothing is attached')),
    data: () => ({ sessionId: SESSION, prompt: '  ' }),
  },
  row('ask', wrong(['prompt'], 'is blank', ' \n')),
  row('claudeCommand', wrong(['command'], 'is blank', '\t ')),
  row('subscribe', wrong(['cursors'], 'names 1001 sessions', manyCursors)),
  ...['-x', 'Bash\nRead', 'Bash\rRead', 'Bash\0'].map((rule) =>
    row('streamStart', wrong(['options', 'allowedTools', 0], is(rule), rule)),
  ),
  row('permission', wrong(['updatedInput'], 'is nested too deep', { deep: nested(100) })),
  row('permission', tooLarge(['updatedInput'], 'is over 64 KiB', { text: 'x'.repeat(64 * KIB) })),
  row(
    'permission',
    tooLarge(['updatedInput'], 'is over 64 KiB in a list', { list: Array.from({ length: 40_000 }, () => 1) }),
  ),
  ...['ab', 'xy'.repeat(32), 'a'.repeat(65), 'ab'.repeat(101), ''].map((token) =>
    row('registerDevice', wrong(['token'], `is the device token ${token.slice(0, 8)}…`, token)),
  ),
  row('registerDevice', wrong(['encryptionKey'], 'is too short', Buffer.alloc(31).toString('base64'))),
  row('registerDevice', wrong(['bundleId'], 'is no name', 'org example')),
];

// The session has no turn: its child need not be the real CLI.
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });
let client: WireClient;
let sessionId: string;
let before: { sessions: unknown; registry: string };

beforeAll(async () => {
  client = await world.connect();
  const { data } = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  sessionId = data.sessionId;
  await waitUntil('the session is idle', async () => (await readSessions())[0]?.status === 'idle');
  before = await readState();
});

interface Listed {
  status: string;
}

async function readSessions(): Promise<Listed[]> {
  const { sessions } = (await (await world.daemon.fetch('/api/sessions')).json()) as { sessions: Listed[] };
  return sessions;
}

/** All that a refused frame must have left as it was. */
async function readState() {
  const sessions = (await readSessions()).map((session) => ({ ...session, memoryBytes: 0, uptimeSeconds: 0 }));
  return { sessions, registry: readFileSync(join(world.daemon.home, 'registry.json'), 'utf8') };
}

let sent = 0;

/** Sends it, then a `ping`, and returns what came before the answer to that. */
async function answersTo(frame: { type: string; data?: unknown }) {
  sent += 1;
  const requestId = `edge-${sent}`;
  const from = client.frames.length;
  client.sendRaw(JSON.stringify({ ...frame, requestId }).replaceAll(SESSION, sessionId));
  const pong = await client.request('ping', {});
  expect(pong.type).toBe('pong');
  return { requestId, answers: client.frames.slice(from, client.frames.indexOf(pong)) };
}

describe('a bad frame', () => {
  const rows = [...TABLE, ...WHOLE, ...ABSENT, ...RULES];
  test.each([...new Set(rows.map(({ type }) => type))])(
    'O1: %s is refused by field and rule, and nothing changes, whatever is wrong with it',
    async (type) => {
      for (const { what, data, field, code } of rows.filter((one) => one.type === type)) {
        const { requestId, answers } = await answersTo({ type, data: data() });
        const details = { field, rule: expect.stringMatching(/./) };
        const message = expect.stringContaining(field);
        const refused = { type: 'error', requestId, data: { code, details, message } };
        expect({ what, answers }).toMatchObject({ what, answers: [refused] });
      }
      expect(await readState()).toEqual(before);
    },
  );

  test.each([['permission', { sessionId: SESSION, response: 'y', remember: false }, 'updatedInput']])(
    'O1: %s is refused, and nothing changes, when it is nested deeper than a stack',
    async (type, data, field) => {
      const text = JSON.stringify({ type, requestId: 'deep', data: { ...data, [field]: {} } });
      const from = client.frames.length;
      client.sendRaw(text.replace('{}', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`));
      const answer = await client.waitFor(({ requestId }) => requestId === 'deep', from);
      expect(answer.data).toMatchObject({
        code: 'INVALID_REQUEST',
        details: { field, rule: expect.stringContaining('nested') },
      });
      expect(await readState()).toEqual(before);
    },
  );

  test('O1: a key of a record over 64 KiB is refused in a short answer', async () => {
    const data = { events: ['*'], cursors: { ['k'.repeat(4 * MIB)]: { epoch: 'e', seq: 1 } } };
    const { requestId, answers } = await answersTo({ type: 'subscribe', data });
    expect(answers).toMatchObject([{ type: 'error', requestId, data: { code: 'PAYLOAD_TOO_LARGE' } }]);
    expect(answers[0]?.data.details).toMatchObject({ field: expect.stringMatching(/^cursors\.k+…$/) });
    expect(JSON.stringify(answers).length).toBeLessThan(KIB);
  });
});

describe('the table', () => {
  test.each(TYPES)('O1: begins with a %s that its schema takes, so that each fault is the only one', (type) => {
    expect(CLIENT_FRAMES[type].safeParse(example(schemaOf(type)))).toMatchObject({ success: true });
  });

  test.each(
    TYPES.flatMap((type) =>
      [...texts(schemaOf(type), [])].map((path) => ({ type, path, field: path.join('.') })),
    ).filter(({ type, field }) => !OF_A_FORM.has(`${type}.${field}`)),
  )('O1: a bound is not one byte too low: $type may have a $field of just that size', ({ type, path }) => {
    const room = path[0] === 'answers' ? '{"key":""}'.length : 0;
    for (const value of ['x'.repeat(boundOf(path) - room), '€'.repeat(Math.floor((boundOf(path) - room) / 3))]) {
      const taken = CLIENT_FRAMES[type].safeParse(broken(type, { path, value }));
      expect(taken.success).toBe(true);
    }
  });

  test.each([...MAY_BE_EMPTY])('O1: %s may be empty', (place) => {
    const [type, ...path] = place.split('.') as [ClientFrameType, ...string[]];
    expect(CLIENT_FRAMES[type].safeParse(broken(type, { path, value: '' })).success).toBe(true);
  });

  const fullImage = { mediaType: 'image/png' as const, data: Buffer.alloc(8 * MIB, 7).toString('base64') };
  test.each([
    ['a prompt of 1 MiB', { prompt: 'x'.repeat(MIB) }],
    ['a prompt of 1 MiB in umlauts', { prompt: 'ä'.repeat(MIB / 2) }],
    ['attachments of 8 MiB', { prompt: 'Look.', attachments: [fullImage] }],
    ['an attachment without a word', { prompt: '', attachments: [fullImage] }],
  ])('O1: %s is not too large for the daemon', async (_what, fields) => {
    const { answers } = await answersTo({ type: 'streamSend', data: { sessionId: 'unknown', ...fields } });
    expect(answers).toMatchObject([{ type: 'error', data: { code: 'SESSION_NOT_FOUND' } }]);
  });
});
