/** `GET /api/audit`: the audit log in pages, from its end. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type AuditPage, listAuditSchema } from '../../protocol/audit.js';
import { readAudit } from '../../services/telemetry/audit-reader.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { addUser, askOver, pairDevice } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const START = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

describe('the pages of a log', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'companion-audit-'));
    path = join(folder, 'audit.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const at = (index: number) => new Date(START + index * MINUTE_MS).toISOString();
  const line = (index: number, fields: object = {}) =>
    JSON.stringify({ at: at(index), action: 'prompt', outcome: 'ok', requestId: `r${index}`, ...fields });
  const write = (file: string, lines: string[]) => writeFileSync(file, lines.map((one) => `${one}\n`).join(''));
  const read = (query: object = {}) => readAudit(path, listAuditSchema.parse(query));
  const ids = ({ entries }: AuditPage) => entries.map(({ requestId }) => requestId);

  /** All pages, one after the other. */
  async function all(query: object): Promise<string[]> {
    const found: (string | undefined)[] = [];
    let cursor: string | undefined;
    do {
      const page = await read({ ...query, ...(cursor !== undefined && { cursor }) });
      expect(page.hasMore).toBe(page.nextCursor !== undefined);
      found.push(...ids(page));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found.map(String);
  }

  const numbers = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, index) => `r${from - index}`);

  test('a log without a file is empty', async () => {
    expect(await read()).toEqual({ entries: [], limit: 50, hasMore: false });
  });

  test('begin with the newest entry, over all files, and leave out nothing where a chunk ends', async () => {
    const long = 'x'.repeat(190);
    write(`${path}.2`, [line(0)]);
    write(
      `${path}.1`,
      Array.from({ length: 700 }, (_, index) => line(index + 1, { address: long })),
    );
    write(
      path,
      Array.from({ length: 40 }, (_, index) => line(index + 701)),
    );
    expect(ids(await read({ limit: 3 }))).toEqual(['r740', 'r739', 'r738']);
    for (const limit of [7, 200]) expect(await all({ limit })).toEqual(numbers(740, 0));
  });

  test('go on where they were when the log is written to and its file is put aside', async () => {
    write(path, [line(1), line(2), line(3)]);
    const first = await read({ limit: 1 });
    renameSync(path, `${path}.1`);
    write(path, [line(4)]);
    const second = await read({ limit: 5, cursor: first.nextCursor });
    expect([...ids(first), ...ids(second)]).toEqual(['r3', 'r2', 'r1']);
    rmSync(`${path}.1`);
    expect(await read({ cursor: first.nextCursor })).toEqual({ entries: [], limit: 50, hasMore: false });
  });

  test('skip what is no entry: half a line of a full disk, and a line of another program', async () => {
    writeFileSync(path, `${line(1)}\n${line(2).slice(0, 30)}\n\nnull\n[]\n${line(3)}\n${line(4).slice(0, 20)}`);
    expect(ids(await read())).toEqual(['r3', 'r1']);
  });

  test('by action, by device that acted or was affected, and by time', async () => {
    write(path, [
      line(1, { deviceId: 'phone' }),
      line(2, { action: 'revoke', targetDeviceId: 'phone' }),
      line(3, { action: 'pair', deviceId: 'desk' }),
      line(4, { tool: '"action":"pair"' }),
    ]);
    expect(ids(await read({ action: 'pair' }))).toEqual(['r3']);
    expect(ids(await read({ deviceId: 'phone' }))).toEqual(['r2', 'r1']);
    expect(ids(await read({ since: at(2), until: at(4) }))).toEqual(['r3', 'r2']);
    expect(ids(await read({ since: '2026-01-01T01:03:00+01:00' }))).toEqual(['r4', 'r3']);
  });

  test('of a filter that hardly anything passes are short, and lead to the end', async () => {
    const rare = line(0, { action: 'users' });
    write(path, [rare, ...Array.from({ length: 60_000 }, (_, index) => line(index + 1, { address: 'y'.repeat(100) }))]);
    const first = await read({ action: 'users' });
    expect([first.entries, first.hasMore]).toEqual([[], true]);
    expect(await all({ action: 'users' })).toEqual(['r0']);
  });

  test('have cursors of their own', async () => {
    for (const cursor of ['x', Buffer.from('audit 1').toString('base64url'), 'audit 1 2'])
      await expect(read({ cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const { success } = listAuditSchema.safeParse({ since: at(2), until: at(1) });
    expect(success).toBe(false);
  });
});

describe('over REST', () => {
  const world = useWorld({ environment: CHEAP_PASSWORDS });

  test('S1: with the scope admin the owner sees who did what, and another person what concerns them', async () => {
    const phone = await pairDevice(world.daemon, { deviceName: 'phone' });
    await addUser(world.daemon, 'ada@example.org');
    const hers = await pairDevice(world.daemon, { user: 'ada@example.org' });
    const scopes = ['read', 'admin'] as const;
    const deputy = await pairDevice(world.daemon, { user: 'ada@example.org', scopes: [...scopes] });
    const list = (token: string, query = '') =>
      askOver<AuditPage>(world.daemon, 'GET', `/api/audit${query}`, { token });
    await waitUntil('both pairings are in the log', async () => {
      const { body } = await list(phone.accessToken, '?action=pair');
      const paired = body.entries.map(({ deviceId }) => deviceId);
      return [phone, hers].every(({ deviceId }) => paired.includes(deviceId));
    });
    const { body } = await list(phone.accessToken, `?deviceId=${hers.deviceId}`);
    expect(body.entries).toMatchObject([
      { action: 'pair', outcome: 'ok', deviceId: hers.deviceId, address: '127.0.0.1' },
    ]);
    expect(await list(hers.accessToken)).toMatchObject({ status: 403, body: { error: { code: 'PERMISSION_DENIED' } } });
    const own = (await list(deputy.accessToken)).body.entries;
    expect(own.map(({ deviceId }) => deviceId)).toEqual(expect.arrayContaining([hers.deviceId]));
    expect(JSON.stringify(own)).not.toContain(phone.deviceId);
    expect((await list(phone.accessToken, '?action=everything')).status).toBe(400);
    expect((await list(phone.accessToken, '?cursor=x')).status).toBe(400);
  });
});
