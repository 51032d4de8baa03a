import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type FileContent,
  type FileList,
  fileContentSchema,
  fileInfoSchema,
  fileListSchema,
} from '../../protocol/files.js';
import { MAX_FILE_READ_BYTES, MAX_FILE_WRITE_BYTES, MAX_LISTED_FILES } from '../../protocol/limits.js';
import { errorBodySchema, type SessionView } from '../../protocol/rest.js';
import { startDaemon } from '../support/daemon.js';
import { useWorld } from '../support/world.js';

// No session here has a turn: its child need not be the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });
let session: SessionView;

beforeAll(async () => {
  const body = JSON.stringify({ workingDirectory: world.daemon.project('files') });
  const headers = { 'content-type': 'application/json' };
  session = (await (
    await world.daemon.fetch('/api/sessions', { method: 'POST', body, headers })
  ).json()) as SessionView;
});
beforeEach(() => {
  for (const name of readdirSync(session.workingDirectory)) rmSync(at(name), { recursive: true });
});

const at = (path: string) => join(session.workingDirectory, path);

function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
}

interface Reply {
  status: number;
  body: Record<string, unknown>;
}

async function ask(method: string, path: string, body?: unknown, base = '/api/sessions'): Promise<Reply> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await world.daemon.fetch(`${base}/${session.id}/files${path}`, {
    method,
    ...(text !== undefined && { body: text, headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function list(query = ''): Promise<FileList> {
  const { status, body } = await ask('GET', query);
  expect(status).toBe(200);
  return fileListSchema.strict().parse(body);
}

async function read(path: string): Promise<FileContent> {
  const { status, body } = await ask('GET', `/${path}`);
  expect([path, status]).toEqual([path, 200]);
  return fileContentSchema.strict().parse(body);
}

const pathsOf = ({ files }: FileList) => files.map(({ path }) => path);

function expectError({ status, body }: Reply, expected: { status: number; code: string; field: string }): void {
  const { error } = errorBodySchema.strict().parse(body);
  const { code, details } = error;
  expect({ status, code, field: details?.field }).toEqual(expected);
  expect(details?.rule ?? '').toMatch(/./);
}

const refusedAs = (status: number, code: string, field = 'path') => ({ status, code, field });
const DENIED = refusedAs(403, 'PERMISSION_DENIED');
const MISSING = refusedAs(404, 'NOT_FOUND');
const CONFLICT = refusedAs(409, 'CONFLICT');
const INVALID = refusedAs(400, 'INVALID_REQUEST');

describe('a list of files', () => {
  beforeEach(() => {
    for (const path of ['a.ts', 'b.md', 'src/c.ts', 'src/deep/d.ts', 'src/deep/[e].txt', '.hidden']) put(path, path);
  });

  test.each(['/api/sessions', '/api/claude-code/sessions'])('at %s names what is in the folder', async (base) => {
    const { status, body } = await ask('GET', '', undefined, base);
    expect(status).toBe(200);
    const found = fileListSchema.strict().parse(body);
    expect(found.basePath).toBe(session.workingDirectory);
    expect(pathsOf(found)).toEqual(['.hidden', 'a.ts', 'b.md', 'src']);
    expect(found.files[1]).toMatchObject({ path: 'a.ts', name: 'a.ts', type: 'file', size: 4 });
    expect(Date.parse(found.files[1]?.modifiedAt ?? '')).toBe(Math.floor(statSync(at('a.ts')).mtimeMs));
    expect(found.files[3]).not.toHaveProperty('size');
    expect(found.files[3]).toMatchObject({ name: 'src', type: 'directory' });
  });

  test('of a folder below has paths that begin at the session, and its own basePath', async () => {
    const found = await list('?path=src/deep/');
    expect(found).toMatchObject({ basePath: at('src/deep') });
    expect(pathsOf(found)).toEqual(['src/deep/[e].txt', 'src/deep/d.ts']);
  });

  test.each([
    ['recursive=true', ['.hidden', 'a.ts', 'b.md', 'src', 'src/c.ts', 'src/deep', 'src/deep/[e].txt', 'src/deep/d.ts']],
    ['recursive=false', ['.hidden', 'a.ts', 'b.md', 'src']],
    ['recursive=true&pattern=*.ts', ['a.ts', 'src/c.ts', 'src/deep/d.ts']],
    ['pattern=*.ts', ['a.ts']],
    ['recursive=true&pattern=src/*.ts', ['src/c.ts']],
    ['recursive=true&pattern=src/**/*.ts', ['src/c.ts', 'src/deep/d.ts']],
    ['recursive=true&pattern=**/deep/**', ['src/deep', 'src/deep/[e].txt', 'src/deep/d.ts']],
    ['recursive=true&pattern=*.{md,txt}', ['b.md', 'src/deep/[e].txt']],
    ['recursive=true&pattern=[a-c].*', ['a.ts', 'b.md', 'src/c.ts']],
    ['recursive=true&pattern=[!a-c].ts', ['src/deep/d.ts']],
    ['recursive=true&path=src&pattern=deep/?.ts', ['src/deep/d.ts']],
    ['recursive=true&pattern=nothing', []],
  ])('with %s is what was asked for', async (query, expected) => {
    expect(pathsOf(await list(`?${query}`))).toEqual(expected);
  });

  test('S2: follows links for what they are, leaves out those that lead out, and what is kept from clients', async () => {
    symlinkSync('a.ts', at('to-file'));
    symlinkSync('src', at('to-folder'));
    symlinkSync('..', at('src/to-root'));
    symlinkSync('/etc/passwd', at('to-passwd'));
    symlinkSync('..', at('up'));
    symlinkSync('nowhere', at('dangling'));
    execFileSync('mkfifo', [at('fifo')]);
    for (const path of ['.env', '.ssh/key', 'src/.env.local', 'src/line\nbreak', 'src/back\\slash']) put(path, 'x');
    const noText = Buffer.concat([Buffer.from(at('no-utf-8-')), Buffer.from([0xff])]);
    writeFileSync(noText, 'x');
    const { files } = await list('?recursive=true&pattern=*');
    unlinkSync(noText);
    const listed = Object.fromEntries(files.map(({ path, type, size }) => [path, size ?? type]));
    expect(listed).toMatchObject({ 'to-file': 4, 'to-folder': 'directory', 'src/to-root': 'directory' });
    expect(files.filter(({ name }) => /env|ssh|key|passwd|up|dangling|fifo|break|slash|utf/.test(name))).toEqual([]);
    expect(pathsOf(await list('?path=to-folder'))).toEqual(['to-folder/c.ts', 'to-folder/deep', 'to-folder/to-root']);
  });

  test('is cut where there is too much, and says so', async () => {
    mkdirSync(at('many'));
    // Others have their turn: a kept connection that the daemon ends meanwhile is seen to have ended.
    for (let index = 0; index < MAX_LISTED_FILES + 1; index += 1) await writeFile(at(`many/${index}`), '');
    const found = await list('?recursive=true');
    const { total } = found;
    expect(found).toMatchObject({ truncated: true });
    expect(total).toBeGreaterThan(MAX_LISTED_FILES + 1);
    expect(found.files).toHaveLength(MAX_LISTED_FILES);
    const last = await list(`?recursive=true&offset=${MAX_LISTED_FILES}`);
    expect(last).not.toHaveProperty('truncated');
    const all = [...pathsOf(found), ...pathsOf(last)];
    expect([all.length, new Set(all).size]).toEqual([total, total]);
    expect(await list('?recursive=true&pattern=1*5')).not.toHaveProperty('truncated');
  });

  test('that is recursive leaves out what .gitignore does, unless it is asked for', async () => {
    put('.gitignore', 'built/\n*.log\n/b.md\n');
    put('src/.gitignore', '!kept.log\nd.ts\n');
    put('src/built/x.js', '');
    put('src/deep/kept.log', '');
    put('src/deep/other.log', '');
    put('.git/config', '');
    const found = pathsOf(await list('?recursive=true'));
    const inSource = ['src/.gitignore', 'src/c.ts', 'src/deep', 'src/deep/[e].txt', 'src/deep/kept.log'];
    expect(found).toEqual(['.gitignore', '.hidden', 'a.ts', 'src', ...inSource]);
    expect(pathsOf(await list('?recursive=true&path=src/deep'))).toEqual(['src/deep/[e].txt', 'src/deep/kept.log']);
    const all = pathsOf(await list('?recursive=true&ignored=true'));
    expect(all).toEqual(
      expect.arrayContaining(['b.md', 'src/built/x.js', 'src/deep/d.ts', 'src/deep/other.log', '.git']),
    );
    expect(pathsOf(await list(''))).toContain('.git');
  });

  test('comes in pages of the same order', async () => {
    const pages = [];
    for (let offset = 0; offset < 8; offset += 3) pages.push(await list(`?recursive=true&limit=3&offset=${offset}`));
    expect(pages.flatMap(pathsOf)).toEqual(pathsOf(await list('?recursive=true')));
    expect(pages.map(({ truncated = false, total }) => [truncated, total])).toEqual([
      [true, 8],
      [true, 8],
      [false, 8],
    ]);
  });

  test('with a pattern of many stars takes no longer than with another', async () => {
    put('a'.repeat(250), 'x');
    expect(pathsOf(await list(`?pattern=${'*a'.repeat(60)}*b`))).toEqual([]);
  });

  test.each([
    ['path=missing', MISSING],
    ['path=a.ts', INVALID],
    ['path=../files', INVALID],
    ['path=%E0%A4%A', INVALID],
    ['path=%', INVALID],
    ['path=a&path=b', INVALID],
    ['recursive=yes', refusedAs(400, 'INVALID_REQUEST', 'recursive')],
    ['limit=0', refusedAs(400, 'INVALID_REQUEST', 'limit')],
    ['offset=-1', refusedAs(400, 'INVALID_REQUEST', 'offset')],
    ['ignored=yes', refusedAs(400, 'INVALID_REQUEST', 'ignored')],
    ['pattern=', refusedAs(400, 'INVALID_REQUEST', 'pattern')],
    ['pattern=%ff', refusedAs(400, 'INVALID_REQUEST', 'pattern')],
    [`pattern=${'x'.repeat(129)}`, refusedAs(400, 'INVALID_REQUEST', 'pattern')],
    [`pattern=${'{a,b}'.repeat(20)}`, refusedAs(400, 'INVALID_REQUEST', 'pattern')],
    [`path=${'x'.repeat(3000)}`, INVALID],
  ])('O1: with %s is refused by its field', async (query, expected) => {
    expectError(await ask('GET', `?${query}`), expected);
  });
});

describe('a file that is read', () => {
  test.each<[string, string | Buffer, string, string]>([
    ['a.ts', 'const a = "ä😀";\r\n', 'utf-8', 'text/plain'],
    ['a.json', '{}', 'utf-8', 'application/json'],
    ['a.html', '<p>', 'utf-8', 'text/html'],
    ['a.svg', '<svg/>', 'utf-8', 'image/svg+xml'],
    ['Makefile', '', 'utf-8', 'text/plain'],
    ['bom.txt', '\ufeffx\0y', 'utf-8', 'text/plain'],
    ['a.png', Buffer.from([0x89, 0x50, 0xff, 0]), 'base64', 'image/png'],
    ['latin1.txt', Buffer.from([0xe4]), 'base64', 'application/octet-stream'],
  ])('%s comes whole, with encoding and media type', async (path, content, encoding, mimeType) => {
    put(`sub/${path}`, content);
    const bytes = Buffer.from(content);
    const found = await read(`sub/${path}`);
    expect(found).toMatchObject({ path: `sub/${path}`, encoding, mimeType, size: bytes.length });
    expect(Buffer.from(found.content, found.encoding)).toEqual(bytes);
  });

  test('may be reached by links that stay inside', async () => {
    put('sub/a.txt', 'here');
    symlinkSync('sub', at('link'));
    symlinkSync(at('link/a.txt'), at('link-to-file'));
    for (const path of ['link/a.txt', 'link-to-file', 'sub//./a.txt']) expect((await read(path)).content).toBe('here');
  });

  test('O1: may have 10 MiB and no more', async () => {
    put('large', '');
    truncateSync(at('large'), MAX_FILE_READ_BYTES);
    expect((await read('large')).size).toBe(MAX_FILE_READ_BYTES);
    truncateSync(at('large'), MAX_FILE_READ_BYTES + 1);
    expectError(await ask('GET', '/large'), refusedAs(413, 'PAYLOAD_TOO_LARGE'));
  });

  test('S2: is a regular one: folders, FIFOs, links to devices and hard links to secrets are refused without waiting', async () => {
    mkdirSync(at('folder'));
    execFileSync('mkfifo', [at('fifo')]);
    symlinkSync('/dev/zero', at('zero'));
    linkSync(join(world.daemon.home, 'registry.json'), at('hard-link'));
    expectError(await ask('GET', '/folder'), INVALID);
    expectError(await ask('GET', '/fifo'), INVALID);
    expectError(await ask('GET', '/zero'), DENIED);
    expectError(await ask('GET', '/hard-link'), DENIED);
    expectError(await ask('GET', '/missing'), MISSING);
    for (const method of ['PUT', 'POST', 'DELETE']) {
      expectError(await ask(method, '/zero', { content: 'x' }), DENIED);
    }
  });

  test('may have hard links of its own, as those of package managers', async () => {
    put('a', 'shared');
    linkSync(at('a'), at('b'));
    expect((await read('b')).content).toBe('shared');
  });
});

describe('a file that is written', () => {
  const write = (method: string, path: string, content: string, encoding?: string) =>
    ask(method, `/${path}`, { content, ...(encoding !== undefined && { encoding }) });

  test('is made by POST, once, with its folders', async () => {
    const made = await write('POST', 'new/deep/a.txt', 'one');
    expect(made.status).toBe(201);
    expect(fileInfoSchema.strict().parse(made.body)).toMatchObject({ path: 'new/deep/a.txt', size: 3 });
    expectError(await write('POST', 'new/deep/a.txt', 'two'), CONFLICT);
    expectError(await write('POST', 'new/deep', 'two'), CONFLICT);
    expectError(await write('POST', 'new/deep/a.txt/b', 'two'), CONFLICT);
    expect(readFileSync(at('new/deep/a.txt'), 'utf8')).toBe('one');
  });

  test('is made or replaced by PUT, and keeps its permissions', async () => {
    expect((await write('PUT', 'sub/run.sh', 'one')).status).toBe(201);
    chmodSync(at('sub/run.sh'), 0o750);
    expect((await write('PUT', 'sub/run.sh', 'two')).status).toBe(200);
    expect(readFileSync(at('sub/run.sh'), 'utf8')).toBe('two');
    expect(statSync(at('sub/run.sh')).mode & 0o777).toBe(0o750);
    expect(readdirSync(at('sub'))).toEqual(['run.sh']);
    expectError(await write('PUT', 'sub', 'x'), CONFLICT);
  });

  test('takes with it what a daemon left in its folder that died while it wrote there, and nothing else', async () => {
    const left = (digit: string) => `.companion-${digit.repeat(16)}.tmp`;
    const anHourAgo = new Date(Date.now() - 3_600_000);
    for (const name of [left('a'), left('b'), '.companion-note.tmp']) {
      put(`made/${name}`, 'half of it');
      utimesSync(at(`made/${name}`), anHourAgo, anHourAgo);
    }
    linkSync(at(`made/${left('b')}`), at('made/kept'));
    put(`made/${left('c')}`, 'written at this moment');
    expect((await ask('PUT', '/made/x.txt', { content: 'whole' })).status).toBe(201);
    expect(readdirSync(at('made')).sort()).toEqual(
      [left('b'), left('c'), '.companion-note.tmp', 'kept', 'x.txt'].sort(),
    );
  });

  test('takes bytes as base64', async () => {
    const bytes = Buffer.from([0, 0xff, 0x80, 10]);
    expect((await write('POST', 'bytes', bytes.toString('base64'), 'base64')).status).toBe(201);
    expect(readFileSync(at('bytes'))).toEqual(bytes);
  });

  test('O1: may have 8 MiB and no more, and a body of any kind is refused by its field', async () => {
    const content = 'x'.repeat(MAX_FILE_WRITE_BYTES);
    expect((await write('PUT', 'large', content)).status).toBe(201);
    const base64 = Buffer.alloc(MAX_FILE_WRITE_BYTES).toString('base64');
    expect((await write('PUT', 'large', base64, 'base64')).status).toBe(200);
    expectError(await write('PUT', 'large', `${content}x`), refusedAs(413, 'PAYLOAD_TOO_LARGE', 'content'));
    const tooLarge = await write('PUT', 'large', 'x'.repeat(13 * 1024 * 1024));
    expect(tooLarge).toMatchObject({ status: 413, body: { error: { details: { field: 'body' } } } });
    const invalid = (field: string) => refusedAs(400, 'INVALID_REQUEST', field);
    expectError(await ask('PUT', '/x', {}), invalid('content'));
    expectError(await ask('PUT', '/x', { content: 7 }), invalid('content'));
    expectError(await write('PUT', 'x', '?', 'base64'), invalid('content'));
    expectError(await write('PUT', 'x', '\ud800'), invalid('content'));
    expectError(await write('PUT', 'x', 'x', 'latin1'), invalid('encoding'));
    expectError(await ask('PUT', '/x', '{"content":'), invalid('body'));
    expectError(await ask('PUT', '/x', `{"content":"","x":[${'[],'.repeat(200_000)}1]}`), invalid('body'));
    expect(existsSync(at('x'))).toBe(false);
  });

  test('S2: is never one behind a link, nor one that another name has outside', async () => {
    const elsewhere = join(world.daemon.root, 'elsewhere');
    writeFileSync(elsewhere, 'theirs');
    put('real', 'mine');
    symlinkSync('real', at('link'));
    symlinkSync('nowhere', at('dangling'));
    for (const path of ['link', 'dangling']) {
      for (const method of ['POST', 'PUT', 'DELETE']) expectError(await write(method, path, 'x'), DENIED);
    }
    linkSync(elsewhere, at('hard-link'));
    expect((await write('PUT', 'hard-link', 'new')).status).toBe(200);
    expect(readFileSync(elsewhere, 'utf8')).toBe('theirs');
    expect(readFileSync(at('real'), 'utf8')).toBe('mine');
    expect(existsSync(at('nowhere'))).toBe(false);
  });

  test('O1: leaves no folder behind when it fails', async () => {
    expectError(await write('POST', `made/${'x'.repeat(255)}/${'y'.repeat(256)}`, 'x'), INVALID);
    expectError(await write('POST', 'made/.env', 'x'), DENIED);
    expect(readdirSync(session.workingDirectory)).toEqual([]);
  });
});

describe('a file that is removed', () => {
  test('is gone, and so is an empty folder; one that holds something stays', async () => {
    put('sub/a', 'x');
    expectError(await ask('DELETE', '/sub'), CONFLICT);
    expect(await ask('DELETE', '/sub/a')).toEqual({
      status: 200,
      body: { success: true, path: 'sub/a', trashId: expect.any(String) },
    });
    expect((await ask('DELETE', '/sub')).status).toBe(200);
    expectError(await ask('DELETE', '/sub'), MISSING);
    expectError(await ask('DELETE', '/missing/deep'), MISSING);
    expectError(await ask('DELETE', '/%2e%2f'), INVALID);
    expect(existsSync(session.workingDirectory)).toBe(true);
  });
});

test('files of a session that does not exist or has no owner are not found', async () => {
  const unknown = await world.daemon.fetch('/api/sessions/unknown/files');
  expect(await unknown.json()).toMatchObject({ error: { code: 'SESSION_NOT_FOUND' } });
  const headers = { authorization: 'Bearer wrong' };
  expect((await world.daemon.fetch(`/api/sessions/${session.id}/files`, { headers })).status).toBe(401);
});

test('S2: a key that the daemon was told of is not given away, under whatever name', async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'companion-keys-')));
  const key = join(root, 'AuthKey.p8');
  writeFileSync(key, 'a key');
  linkSync(key, join(root, 'notes.txt'));
  const daemon = await startDaemon({
    apiUrl: world.api.url,
    environment: { CLAUDE_PATH, PROJECT_ROOTS: root, APNS_KEY_FILE: key },
  });
  try {
    const body = JSON.stringify({ workingDirectory: root });
    const headers = { 'content-type': 'application/json' };
    const made = await daemon.fetch('/api/sessions', { method: 'POST', body, headers });
    const { sessionId } = (await made.json()) as SessionView;
    for (const name of ['AuthKey.p8', 'notes.txt']) {
      expect((await daemon.fetch(`/api/sessions/${sessionId}/files/${name}`)).status).toBe(403);
    }
  } finally {
    await daemon.stop();
    rmSync(root, { recursive: true });
  }
});
