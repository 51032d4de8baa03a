/** O1: whatever is wrong with what a client sends, the error names the field and says the rule in plain words. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import * as auth from '../../protocol/auth.js';
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import * as files from '../../protocol/files.js';
import { PLAIN, toCompanionError } from '../../protocol/parse-client-frame.js';
import * as push from '../../protocol/push.js';
import * as rest from '../../protocol/rest.js';
import * as scalars from '../../protocol/scalars.js';
import * as waiting from '../../protocol/waiting.js';
import { example, type Schema } from '../support/example-frames.js';
import { askLocally, askOver } from '../support/identity-world.js';
import { useWorld } from '../support/world.js';

/** What clients send by REST. */
const INPUTS: Record<string, z.ZodType> = {
  pair: auth.pairSchema,
  login: auth.loginSchema,
  refresh: auth.refreshSchema,
  openPairing: auth.openPairingSchema,
  addUser: auth.addUserSchema,
  changeUser: auth.changeUserSchema,
  registerPush: push.registerPushSchema,
  changePreferences: push.changePreferencesSchema,
  testPush: push.testPushSchema,
  patchDevice: push.patchDeviceSchema,
  listDeliveries: push.listDeliveriesSchema,
  answerPermission: push.answerPermissionSchema,
  answerByToken: push.answerByTokenSchema,
  createSession: rest.createSessionSchema,
  patchSession: rest.patchSessionSchema,
  listSessions: rest.listSessionsSchema,
  deleteSession: rest.deleteSessionSchema,
  listFiles: files.listFilesSchema,
  writeFile: files.writeFileSchema,
  listWaiting: waiting.listWaitingSchema,
  deviceId: scalars.deviceIdSchema,
  sessionId: scalars.sessionIdSchema,
  seq: scalars.seqSchema,
  ...Object.fromEntries(
    Object.entries(CLIENT_FRAMES).map(([type, schema]) => [`frame ${type as ClientFrameType}`, schema]),
  ),
};

const WRONG = [
  undefined,
  null,
  '',
  ' ',
  'x',
  'ü\n',
  'x'.repeat(70_000),
  -1,
  7,
  1.5,
  1e300,
  true,
  [],
  ['', 7, null],
  {},
  { '': 7, unknown: null },
];

/** The value with another one at each of its places in turn. */
function* mutations(value: unknown): Generator<unknown> {
  yield* WRONG;
  if (Array.isArray(value)) for (const inner of mutations(value[0])) yield [inner];
  else if (typeof value === 'object' && value !== null) {
    for (const [name, part] of Object.entries(value))
      for (const inner of mutations(part)) yield { ...value, [name]: inner };
    yield { ...value, unknown: 1 };
  }
}

/** Zod's own words, code, and what a person need not know. */
const RAW =
  /invalid|expected|received|too (small|big)|unrecognized|[<>]=|=>|\bundefined\b|\bNaN\b|pattern|regex|zod|protocol describes/i;
const RULE = /^(must|is not known$|exactly one of|at least one of|at most)/;

describe.each(Object.entries(INPUTS))('%s', (_name, schema) => {
  test('O1: every rule that it can break is told in plain words, with its field', () => {
    const base = example(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema);
    const told = new Set<string>();
    for (const value of mutations(base)) {
      const { error } = schema.safeParse(value, PLAIN);
      // Each issue as it would be told if it were the first.
      for (const issue of error?.issues ?? []) {
        const { details, message } = toCompanionError(new z.ZodError([issue]), 'body');
        expect(details?.field).toBeTruthy();
        expect(message).toBe(`${details?.field}: ${details?.rule}`);
        told.add(details?.rule ?? '');
      }
    }
    expect(told.size).toBeGreaterThan(0);
    expect([...told].filter((rule) => RAW.test(rule) || !RULE.test(rule))).toEqual([]);
  });
});

describe('on the wire', () => {
  const world = useWorld();

  test('O1: POST /api/auth/pair without a platform says so', async () => {
    const body = { code: 'ABCDE-FGHJK', deviceName: 'phone' };
    expect(await askOver(world.daemon, 'POST', '/api/auth/pair', { body })).toMatchObject({
      status: 400,
      body: { error: { message: 'platform: must be given', details: { field: 'platform', rule: 'must be given' } } },
    });
    const wrong = await askOver(world.daemon, 'POST', '/api/auth/pair', { body: { ...body, platform: 7 } });
    expect(wrong.body.error?.details).toEqual({ field: 'platform', rule: 'must be text' });
    expect(await askLocally(world.daemon, 'POST', '/local/stop', { all: 'yes' })).toMatchObject({
      error: { details: { field: 'all', rule: 'must be true or false' } },
    });
  });

  test('O1: so do a frame, its envelope, and the name in an upgrade', async () => {
    const client = await world.connect();
    const answer = async (text: string) => {
      const from = client.frames.length;
      client.sendRaw(text);
      return (await client.waitFor('error', from)).data.details;
    };
    expect(await answer('{"type":"registerDevice","requestId":"a","data":{"token":"x"}}')).toEqual({
      field: 'platform',
      rule: 'must be given',
    });
    expect(await answer('{"type":"ping","requestId":7,"data":{}}')).toEqual({
      field: 'requestId',
      rule: 'must be text',
    });
    expect(await answer('{"type":"ping","requestId":"","data":{}}')).toEqual({
      field: 'requestId',
      rule: 'must not be empty',
    });
    expect(await answer('[]')).toEqual({ field: 'frame', rule: 'must be an object' });
    expect(await answer('{}')).toEqual({ field: 'type', rule: 'must be given' });
  });
});
