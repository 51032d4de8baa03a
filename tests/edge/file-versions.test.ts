/** Files as bytes, in parts, and by their versions. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { MAX_UPLOAD_BYTES } from '../../protocol/limits.js';
import type { SessionView } from '../../protocol/rest.js';
import { residentOf } from '../faults/support/memory.js';
import { TOKEN } from '../support/daemon.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

// No session here has a turn: its child need not be the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });
let session: SessionView;

const JSON_TYPE = { 'content-type': 'application/json' };
const BYTES_TYPE = { 'content-type': 'application/octet-stream' };
const at = (path: string) => join(session.workingDirectory, path);
const addressOf = (path: string) => `/api/sessions/${session.id}/files/${path}`;
const ask = (path: string, method = 'GET', headers: Record<string, string> = {}, body?: string | Uint8Array) =>
  world.daemon.fetch(addressOf(path), { method, headers, ...(body !== undefined && { body: body as string }) });
const raw = (path: string, headers: Record<string, string> = {}) => ask(`${path}?raw=true`, 'GET', headers);
const text = (content: string) => JSON.stringify({ content });
const refusal = async (response: Response) => {
  const { error } = (await response.json()) as { error: { code: string; details: object } };
  return { status: response.status, code: error.code, details: error.details };
};

beforeAll(async () => {
  const body = JSON.stringify({ workingDirectory: world.daemon.project('files') });
  session = (await (
    await world.daemon.fetch('/api/sessions', { method: 'POST', body, headers: JSON_TYPE })
  ).json()) as SessionView;
});

describe('the version of a file', () => {
  test('is its ETag, is another after each write, and saves its reader the same again', async () => {
    const made = await ask('one.md', 'POST', JSON_TYPE, text('1'));
    const first = made.headers.get('etag');
    expect(first).toBe(`"${((await made.json()) as { version: string }).version}"`);
    expect((await raw('one.md')).headers.get('etag')).toBe(first);
    expect((await raw('one.md', { 'if-none-match': `${first}` })).status).toBe(304);
    const shown = await ask('one.md');
    expect((await ask('one.md', 'GET', { 'if-none-match': `${shown.headers.get('etag')}` })).status).toBe(304);
    const second = (await ask('one.md', 'PUT', JSON_TYPE, text('1'))).headers.get('etag');
    expect(second).not.toBe(first);
    expect((await raw('one.md', { 'if-none-match': `${first}` })).status).toBe(200);
    writeFileSync(at('one.md'), '3');
    expect((await raw('one.md')).headers.get('etag')).not.toBe(second);
  });

  test('lets one of two clients update a file, and the other know that it is behind', async () => {
    const { etag } = Object.fromEntries((await ask('both.md', 'PUT', JSON_TYPE, text('old'))).headers);
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((by) =>
        ask('both.md', 'PUT', { ...JSON_TYPE, 'if-match': `${etag}` }, text(by)),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 412, 412, 412, 412, 412]);
    const winner = 'abcdef'.charAt(statuses.indexOf(200));
    expect(readFileSync(at('both.md'), 'utf8')).toBe(winner);
    const [behind] = answers.filter(({ status }) => status === 412);
    expect(await refusal(behind as Response)).toEqual({
      status: 412,
      code: 'CONFLICT',
      details: { field: 'If-Match', rule: 'must be the ETag of the present version' },
    });
    expect(readdirSync(session.workingDirectory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('that is required but not there refuses a write, and leaves no folder', async () => {
    for (const condition of ['"none"', '*']) {
      const answer = await ask('new/folder/file', 'PUT', { ...JSON_TYPE, 'if-match': condition }, text('x'));
      expect(answer.status).toBe(412);
    }
    expect(existsSync(at('new'))).toBe(false);
    expect(
      (await refusal(await ask('both.md', 'PUT', { ...JSON_TYPE, 'if-match': 'none' }, text('x')))).details,
    ).toEqual({
      field: 'If-Match',
      rule: 'must be * or a list of entity tags in quotes',
    });
  });

  test('guards a removal', async () => {
    await ask('gone.md', 'PUT', JSON_TYPE, text('x'));
    expect((await ask('gone.md', 'DELETE', { 'if-match': '"other"' })).status).toBe(412);
    const { etag } = Object.fromEntries((await raw('gone.md')).headers);
    expect((await ask('gone.md', 'DELETE', { 'if-match': `${etag}` })).status).toBe(200);
    expect(existsSync(at('gone.md'))).toBe(false);
  });
});

describe('a file as bytes', () => {
  const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));

  test('is sent and read as it is, with its type, as a download', async () => {
    expect((await ask('of bytes.png', 'PUT', BYTES_TYPE, BYTES)).status).toBe(201);
    const read = await raw('of bytes.png');
    expect(Buffer.from(await read.arrayBuffer()).equals(BYTES)).toBe(true);
    expect(Object.fromEntries(read.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '1000',
      'accept-ranges': 'bytes',
      'content-disposition': 'attachment; filename="of bytes.png"',
      'x-content-type-options': 'nosniff',
    });
    const head = await ask('of bytes.png?raw=true', 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '1000', '']);
    expect((await ask('page.html', 'PUT', JSON_TYPE, text('<script>1</script>'))).status).toBe(201);
    expect((await raw('page.html')).headers.get('content-disposition')).toMatch(/^attachment/);
  });

  test.each([
    ['bytes=0-9', 0, 10],
    ['bytes=990-', 990, 1000],
    ['bytes=-5', 995, 1000],
    ['bytes=998-5000', 998, 1000],
  ])('%s is answered with that part', async (range, from, to) => {
    const answer = await raw('of bytes.png', { range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to - 1}/1000`]);
    expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES.subarray(from, to))).toBe(true);
  });

  test('of another version than the reader began with is sent whole', async () => {
    const { etag } = Object.fromEntries((await raw('of bytes.png')).headers);
    expect((await raw('of bytes.png', { range: 'bytes=5-', 'if-range': `${etag}` })).status).toBe(206);
    expect((await raw('of bytes.png', { range: 'bytes=5-', 'if-range': '"other"' })).status).toBe(200);
    expect((await raw('of bytes.png', { range: 'bytes=1-2,5-6' })).status).toBe(200);
  });

  test('O1: a range that cannot be is refused with the size', async () => {
    const beyond = await raw('of bytes.png', { range: 'bytes=1000-' });
    expect(beyond.headers.get('content-range')).toBe('bytes */1000');
    expect(await refusal(beyond)).toMatchObject({ status: 416, code: 'INVALID_REQUEST', details: { field: 'Range' } });
    expect(await refusal(await raw('of bytes.png', { range: 'lines=1-2' }))).toMatchObject({
      status: 400,
      details: { field: 'Range', rule: 'must be bytes=<first>-<last>' },
    });
  });

  test('of 100 MiB goes out in pieces, however slowly it is read', async () => {
    const size = 100 * 1024 * 1024;
    writeFileSync(at('large'), '');
    truncateSync(at('large'), size);
    const before = residentOf(world.daemon.pid);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const asked = request(`${world.daemon.url}${addressOf('large?raw=true')}`, { headers }).end();
    const [answer] = await once(asked, 'response');
    let most = 0;
    let length = 0;
    for await (const piece of answer) {
      length += piece.length;
      most = Math.max(most, residentOf(world.daemon.pid));
    }
    expect(length).toBe(size);
    expect(most - before).toBeLessThan(0.6 * size);
  });

  test('whose sender leaves in the middle is not written, and leaves nothing', async () => {
    writeFileSync(at('kept'), 'before');
    const headers = { authorization: `Bearer ${TOKEN}`, ...BYTES_TYPE, 'content-length': '100000' };
    const asked = request(`${world.daemon.url}${addressOf('kept')}`, { method: 'PUT', headers }).on('error', () => {});
    const drafts = () => readdirSync(session.workingDirectory).filter((name) => name.endsWith('.tmp'));
    asked.write(Buffer.alloc(50_000));
    await waitUntil('the draft is there', () => drafts().length === 1);
    asked.destroy();
    await waitUntil('the draft is gone', () => drafts().length === 0);
    expect(readFileSync(at('kept'), 'utf8')).toBe('before');
  });

  test('O1: is at most 256 MiB', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, ...BYTES_TYPE };
    const asked = request(`${world.daemon.url}${addressOf('huge')}`, { method: 'PUT', headers }).on('error', () => {});
    const answered = once(asked, 'response');
    const piece = Buffer.alloc(1024 * 1024);
    let isOver = false;
    void answered.then(() => {
      isOver = true;
    });
    for (let sent = 0; sent <= MAX_UPLOAD_BYTES && !isOver; sent += piece.length) {
      if (!asked.write(piece)) await Promise.race([once(asked, 'drain'), answered]);
    }
    const [answer] = await answered;
    expect(answer.statusCode).toBe(413);
    asked.destroy();
    expect(existsSync(at('huge'))).toBe(false);
  });
});
