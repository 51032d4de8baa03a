import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createAuditLog } from '../../config/audit-log.js';
import type { Audit, AuditEntry } from '../../services/ports/audit.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import { served } from '../support/brief-daemon.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

let folder: string;
let warnings: { message: string; fields: Record<string, unknown> | undefined }[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-audit-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (place = folder) =>
  createAuditLog({
    folder: place,
    now: () => NOW,
    log: { warn: (message, fields) => void warnings.push({ message, fields }) },
  });

const read = (path = join(folder, 'audit.log')): Record<string, string>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, string>);

async function written(...entries: AuditEntry[]): Promise<Record<string, string>[]> {
  const log = open();
  const audit: Audit = log;
  for (const entry of entries) audit.record(entry);
  await log.close();
  return read();
}

describe('an entry of the audit log', () => {
  test('says who did what, on what, from where, when and how it went', async () => {
    const entry: AuditEntry = {
      action: 'write',
      outcome: 'PERMISSION_DENIED',
      userId: 'owner',
      deviceId: 'phone',
      credential: 'token',
      address: '192.0.2.7',
      requestId: 'r-1',
      sessionId: 's-1',
      permissionId: 'p-1',
      path: digestOf('/home/me/secret-plans.md'),
      digest: digestOf('what was written: é'),
    };
    expect(await written(entry)).toEqual([{ at: '2026-01-02T03:04:05.678Z', ...entry }]);
    expect(entry.digest).toBe(createHash('sha256').update('what was written: é', 'utf8').digest('hex'));
    expect(entry.path).toMatch(/^[0-9a-f]{64}$/);
    expect(digestOf(Buffer.from('abc'))).toBe(digestOf('abc'));
  });

  test('is one line, whatever its texts are, and they are cut', async () => {
    const forged = '"}\n{"action":"login","outcome":"ok"}\r\u2028';
    const entries = await written(
      { action: 'refused', outcome: 'UNAUTHORIZED', deviceId: forged },
      { action: 'refused', outcome: 'UNAUTHORIZED', requestId: 'x'.repeat(1_000_000), address: `${'y'.repeat(199)}😀` },
    );
    expect(entries).toHaveLength(2);
    expect(entries[0]).toMatchObject({ action: 'refused', deviceId: forged });
    expect(entries[1]?.requestId).toBe('x'.repeat(200));
    expect(statSync(join(folder, 'audit.log')).size).toBeLessThan(2000);
  });

  test('goes without what its caller does not know after all', async () => {
    const entry: AuditEntry = { action: 'read', outcome: 'ok' };
    Reflect.set(entry, 'userId', undefined);
    expect(await written(entry)).toEqual([{ at: expect.any(String), action: 'read', outcome: 'ok' }]);
  });

  test('is kept in a file for the owner alone, behind those that are there', async () => {
    await written({ action: 'start', outcome: 'ok' });
    const entries = await written({ action: 'stop', outcome: 'ok' });
    expect(entries.map(({ action }) => action)).toEqual(['start', 'stop']);
    expect(statSync(join(folder, 'audit.log')).mode & 0o777).toBe(0o600);
  });
});

describe('the audit log', () => {
  test('is put aside when it is large', async () => {
    const log = open();
    const text = 'z'.repeat(200);
    const entry: AuditEntry = { action: 'prompt', outcome: 'ok', userId: text, deviceId: text, address: text };
    for (let round = 0; round < 20; round += 1) {
      for (let line = 0; line < 1000; line += 1) log.record(entry);
      await log.close();
    }
    expect(readdirSync(folder).sort((a, b) => a.localeCompare(b))).toEqual(['audit.log', 'audit.log.1']);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  test('goes on when the disk takes lines again, and tells once how many were lost', async () => {
    const place = join(folder, 'logs');
    const log = open(place);
    for (const deviceId of ['a', 'b', 'c']) log.record({ action: 'prompt', outcome: 'ok', deviceId });
    await log.close();
    expect(warnings).toEqual([]);
    mkdirSync(place);
    log.record({ action: 'prompt', outcome: 'ok', deviceId: 'd' });
    await log.close();
    log.record({ action: 'prompt', outcome: 'ok', deviceId: 'e' });
    await log.close();
    expect(read(join(place, 'audit.log')).map(({ deviceId }) => deviceId)).toEqual(['d', 'e']);
    expect(warnings).toEqual([{ message: expect.stringContaining('gap'), fields: { lost: 3 } }]);
  });

  test("has the daemon's start and its end", async () => {
    await served({}, async ({ folders, kill, exited }) => {
      kill('SIGTERM');
      expect(await exited).toBe(0);
      const path = join(folders.home, 'logs/audit.log');
      const entries = read(path);
      expect(entries.map(({ action, outcome }) => [action, outcome])).toEqual([
        ['start', 'ok'],
        ['stop', 'ok'],
      ]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    });
  });
});
