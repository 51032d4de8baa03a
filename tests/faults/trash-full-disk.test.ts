/** Deleted files whose trash is on another disk, which is full. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { SessionView } from '../../protocol/rest.js';
import { useSmallDiskWorld } from './support/small-disk-world.js';

const stage = useSmallDiskWorld();
const MEGABYTE = 'x'.repeat(1024 * 1024);

test('what the trash cannot take stays where it is, and is deleted once there is room', async () => {
  const { daemon } = stage.world;
  const path = `/api/sessions/${stage.sessionId}`;
  const ask = async (method: string, rest: string, body?: string) => {
    const headers = { 'content-type': 'application/json' };
    const response = await daemon.fetch(path + rest, { method, ...(body !== undefined && { body, headers }) });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };
  const { workingDirectory } = (await ask('GET', '')).body as unknown as SessionView;
  const file = join(workingDirectory, 'a.txt');
  writeFileSync(file, MEGABYTE, { mode: 0o640 });
  const before = statSync(file);
  stage.fill();
  const refused = await ask('DELETE', '/files/a.txt');
  expect(refused).toMatchObject({ status: 507, body: { error: { code: 'STORAGE_FULL', details: { field: 'path' } } } });
  expect(statSync(file)).toMatchObject({ ino: before.ino, size: before.size, mtimeMs: before.mtimeMs });
  stage.free();
  const removed = await ask('DELETE', '/files/a.txt');
  expect(removed).toMatchObject({ status: 200, body: { trashId: expect.any(String) } });
  expect(existsSync(file)).toBe(false);
  // A copy comes back.
  expect((await ask('POST', `/files/trash/${String(removed.body.trashId)}/restore`, '{}')).status).toBe(200);
  expect(readFileSync(file, 'utf8')).toBe(MEGABYTE);
  expect(statSync(file)).toMatchObject({ mode: before.mode, mtimeMs: expect.closeTo(before.mtimeMs, -1) });
  expect(existsSync(join(workingDirectory, '.companion'))).toBe(false);
});
