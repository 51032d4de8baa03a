import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CompanionError } from '../../protocol/error-codes.js';
import {
  type FileContent,
  type FileList,
  fileContentSchema,
  fileInfoSchema,
  fileListSchema,
} from '../../protocol/files.js';
import type { SessionView } from '../../protocol/rest.js';
import type { FilePlace, Files } from '../../services/ports/workspace.js';
import { cutOf } from '../support/counts.js';
import { TOKEN } from '../support/daemon.js';
import { useWorld } from '../support/world.js';
import {
  CANARY,
  filesOf,
  furnish,
  type Ground,
  makeGround,
  readWhole,
  removeGround,
  snapshot,
  snapshotBeside,
  snapshotOutside,
  WRITTEN,
} from './file-ground.js';
import { hostilePaths, hostileSpellings } from './hostile-corpus.js';
import { ODD_NAMES } from './odd-names.js';

/** In the fast cut the function is given one of so many of each kind, and HTTP still fewer. */
const cutOfKind = (all: readonly string[]): string[] => cutOf(all, 3);
const sampleOf = (all: readonly string[]): string[] => cutOf(all, 12);
const CODES = ['INVALID_REQUEST', 'PERMISSION_DENIED', 'NOT_FOUND', 'CONFLICT'];

interface Answer {
  code?: string;
  field?: string | undefined;
  rule?: string | undefined;
  text: string;
}

/** What was not refused as it must be. */
const failuresOf = (path: string, answers: Record<string, Answer>): string[] =>
  Object.entries(answers)
    .filter(([, { code = '', field, rule, text }]) => {
      return !CODES.includes(code) || field !== 'path' || !rule || text.includes(CANARY);
    })
    .map(([way, answer]) => `${way} ${JSON.stringify(path)}: ${JSON.stringify(answer).slice(0, 200)}`);

describe('by the function', () => {
  let ground: Ground;
  let files: Files;

  beforeAll(() => {
    ground = makeGround();
    files = filesOf(ground);
  });
  afterAll(() => removeGround(ground));

  const asked = async (run: () => Promise<unknown>): Promise<Answer> => {
    try {
      return { text: JSON.stringify(await run()) };
    } catch (error) {
      if (!(error instanceof CompanionError)) throw error;
      return { code: error.code, ...error.details, text: error.message };
    }
  };

  const allWays = async (place: FilePlace, by = files): Promise<Record<string, Answer>> => ({
    list: await asked(() => by.list(place, { recursive: true })),
    read: await asked(() => readWhole(by, place)),
    create: await asked(() => by.create(place, Buffer.from(WRITTEN))),
    replace: await asked(() => by.replace(place, { bytes: [Buffer.from(WRITTEN)] })),
    remove: await asked(() => by.remove(place)),
  });

  test('S2: hostile paths, of which there are well over a thousand, are refused in all five ways, and nothing changes anywhere', async () => {
    const kinds = Object.values(hostilePaths(ground));
    expect(kinds.flat().length).toBeGreaterThan(1000);
    const paths = kinds.flatMap(cutOfKind);
    const before = { outside: snapshotOutside(ground), inside: snapshot(ground.project) };
    const failures: string[] = [];
    for (const path of paths) {
      failures.push(...failuresOf(path, await allWays({ directory: ground.project, path })));
    }
    expect(failures).toEqual([]);
    expect({ outside: snapshotOutside(ground), inside: snapshot(ground.project) }).toEqual(before);
  });

  /** In the directory of a session that contains both homes. */
  const IN_HOMES = ['companion', 'companion/registry.json', 'companion/run/s/stdout.jsonl', 'companion/new.txt'];
  const OF_PERSON = ['person/.ssh', 'person/.ssh/id_rsa', 'person/.claude.json', 'person/.claude/.credentials.json'];

  test('S2: the homes of the daemon and of a person are closed, also in a session whose directory contains them', async () => {
    const before = snapshotOutside(ground);
    const wide = filesOf(ground, { roots: [ground.base] });
    const failures: string[] = [];
    for (const path of [...IN_HOMES, ...OF_PERSON, 'companion/../companion/config.json', 'roots/project/to-registry']) {
      failures.push(...failuresOf(path, await allWays({ directory: ground.base, path }, wide)));
    }
    expect(failures).toEqual([]);
    const { files: listed } = await wide.list({ directory: ground.base, path: '' }, { recursive: true });
    expect(listed.filter(({ path }) => /^companion|\.ssh|\.claude\.json|credentials|\.env/.test(path))).toEqual([]);
    expect(snapshotOutside(ground)).toEqual(before);
  });

  test('S2: FILES_ALLOW_SENSITIVE opens what holds secrets, and never the home of the daemon', async () => {
    const open = filesOf(ground, { roots: [ground.base], allowSensitive: true });
    for (const path of [
      ...OF_PERSON.slice(1),
      'roots/project/.env',
      'roots/project/to-env',
      'roots/project/hard-link',
    ]) {
      expect(await readWhole(open, { directory: ground.base, path })).toMatchObject({ content: CANARY });
    }
    const failures: string[] = [];
    for (const path of IN_HOMES) {
      failures.push(...failuresOf(path, await allWays({ directory: ground.base, path }, open)));
    }
    expect(failures).toEqual([]);
  });

  test('S2: a session directory that has become a link, or lies outside of the roots by now, has no files', async () => {
    for (const directory of [join(ground.project, 'out'), ground.outside, join(ground.project, 'up'), ground.person]) {
      const answers = await allWays({ directory, path: 'secret.txt' });
      for (const { code } of Object.values(answers)) expect(['PERMISSION_DENIED', 'PROJECT_NOT_FOUND']).toContain(code);
    }
    expect(await asked(() => readWhole(files, { directory: join(ground.project, 'gone'), path: 'x' }))).toMatchObject({
      code: 'PROJECT_NOT_FOUND',
    });
  });

  test('S2: a file outside that exists and one that does not are refused with the same words', async () => {
    const pairs = [
      ['out/secret.txt', 'out/missing'],
      ['out-file', 'out-missing'],
      ['out/dir/inner.txt', 'out-missing-deep/x'],
      ['up/sibling.txt', 'up/missing'],
      ['etc/passwd', 'etc/missing'],
      ['.env', '.env.missing'],
    ];
    for (const [there, missing] of pairs as [string, string][]) {
      const directory = ground.project;
      expect(await asked(() => readWhole(files, { directory, path: there }))).toEqual(
        await asked(() => readWhole(files, { directory, path: missing })),
      );
    }
  });

  test('S2: odd names, of which there are more than a hundred, are files like any other: made, listed, read, replaced and removed', async () => {
    expect(ODD_NAMES.length).toBeGreaterThan(100);
    const directory = join(dirname(ground.project), 'odd');
    mkdirSync(directory);
    for (const name of cutOfKind(ODD_NAMES)) await roundTrip(files, { directory, path: name, approved: true });
  });
});

async function roundTrip(files: Files, place: FilePlace): Promise<void> {
  const { directory, path } = place;
  const content = `contents of ${path}`;
  expect((await files.create(place, Buffer.from(content))).path).toBe(path);
  expect(existsSync(join(directory, path))).toBe(true);
  expect(await readWhole(files, place)).toMatchObject({ path, content, encoding: 'utf-8' });
  const parent = { directory, path: dirname(path) };
  const { files: listed } = await files.list(parent, { recursive: false });
  expect(listed).toContainEqual(expect.objectContaining({ path, type: 'file', size: Buffer.byteLength(content) }));
  expect(await files.replace(place, { bytes: [Buffer.from('other')] })).toMatchObject({
    created: false,
    file: { path, size: 5 },
  });
  await files.remove(place);
  expect(existsSync(join(directory, path))).toBe(false);
}

describe('over HTTP', () => {
  // The real CLI mends the person's files in its own time.
  const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  let ground: Ground;
  let session: SessionView;

  const open = async (workingDirectory: string): Promise<SessionView> => {
    const body = JSON.stringify({ workingDirectory });
    const headers = { 'content-type': 'application/json' };
    return (await (await world.daemon.fetch('/api/sessions', { method: 'POST', body, headers })).json()) as SessionView;
  };

  beforeAll(async () => {
    const { base, person, home, root } = { ...world.daemon, ...foldersOf(world.daemon.home) };
    ground = { base, project: join(root, 'project'), outside: join(base, 'outside'), person, home };
    mkdirSync(ground.project);
    furnish(ground);
    session = await open(ground.project);
  });
  afterAll(() => agent.destroy());

  interface Reply {
    status: number;
    text: string;
  }

  /** The address goes out as it stands: `fetch` would tidy it up. */
  async function send(method: string, path: string, body?: object): Promise<Reply> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...(body && { 'content-type': 'application/json' }) };
    const outgoing = request(world.daemon.url, { method, path, agent, headers });
    outgoing.end(body && JSON.stringify(body));
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks = await incoming.toArray();
    return { status: incoming.statusCode ?? 0, text: Buffer.concat(chunks as Buffer[]).toString() };
  }

  const addressOf = (spelling: string, base = '/api/sessions', { id } = session) => `${base}/${id}/files/${spelling}`;
  const answerOf = ({ status, text }: Reply): Answer => {
    const { error } = JSON.parse(text) as { error?: { code: string; status: number; details?: object } };
    return error?.status === status ? { code: error.code, ...error.details, text } : { text };
  };

  const body = { content: WRITTEN };
  const allWays = async (spelling: string, base?: string): Promise<Record<string, Answer>> => ({
    list: answerOf(await send('GET', `/api/sessions/${session.id}/files?recursive=true&path=${spelling}`)),
    GET: answerOf(await send('GET', addressOf(spelling, base))),
    POST: answerOf(await send('POST', addressOf(spelling, base), body)),
    PUT: answerOf(await send('PUT', addressOf(spelling, base), body)),
    DELETE: answerOf(await send('DELETE', addressOf(spelling, base))),
  });

  /** Halves of surrogate pairs as the bytes that some encoders make of them. */
  const encoded = (path: string): string =>
    Array.from(path)
      .map((character) => (/\p{Cs}/u.test(character) ? bytesOfHalf(character) : encodeURIComponent(character)))
      .join('');

  const stable = () => ({
    outside: snapshotBeside(ground),
    inside: snapshot(ground.project),
    config: snapshot(join(ground.home, 'run/s')),
  });

  test('S2: hostile paths of every kind are refused by all five requests, and nothing changes anywhere', async () => {
    const paths = Object.values(hostilePaths(ground)).flatMap(sampleOf);
    const before = stable();
    const failures: string[] = [];
    for (const path of paths) failures.push(...failuresOf(path, await allWays(encoded(path))));
    expect(failures).toEqual([]);
    expect(stable()).toEqual(before);
  });

  test('S2: hostile spellings of an address are refused, at both addresses', async () => {
    const before = stable();
    const failures: string[] = [];
    for (const [index, spelling] of sampleOf(hostileSpellings()).entries()) {
      const answers = await allWays(spelling, index % 2 ? '/api/sessions' : '/api/claude-code/sessions');
      failures.push(...failuresOf(spelling, answers));
    }
    expect(failures).toEqual([]);
    expect(stable()).toEqual(before);
  });

  test('S2: odd names are files like any other, encoded once', async () => {
    const odd = join(ground.project, 'odd');
    mkdirSync(odd);
    for (const name of sampleOf(ODD_NAMES)) await roundTripOverHttp(`odd/${name}`);
    expect(snapshot(odd)).toEqual({});
  });

  async function roundTripOverHttp(path: string): Promise<void> {
    const address = addressOf(encodeURIComponent(path));
    const content = `contents of ${path}`;
    const made = await send('POST', address, { content });
    expect([path, made.status]).toEqual([path, 201]);
    expect(fileInfoSchema.strict().parse(JSON.parse(made.text)).path).toBe(path);
    expect(existsSync(join(ground.project, path))).toBe(true);
    const read = fileContentSchema.strict().parse(JSON.parse((await send('GET', address)).text)) satisfies FileContent;
    expect(read).toMatchObject({ path, content });
    const listed = await send('GET', `/api/sessions/${session.id}/files?path=odd`);
    const { files } = fileListSchema.strict().parse(JSON.parse(listed.text)) satisfies FileList;
    expect(files.map((file) => file.path)).toEqual([path]);
    expect((await send('DELETE', address)).status).toBe(200);
  }
});

const foldersOf = (home: string) => ({ base: dirname(home), person: join(dirname(home), 'home'), home });

const FIRST_BYTE = 0xe0;
const LATER_BYTE = 0x80;
function bytesOfHalf(half: string): string {
  const code = half.charCodeAt(0);
  const bytes = [FIRST_BYTE | (code >> 12), LATER_BYTE | ((code >> 6) & 0x3f), LATER_BYTE | (code & 0x3f)];
  return bytes.map((byte) => `%${byte.toString(16)}`).join('');
}
