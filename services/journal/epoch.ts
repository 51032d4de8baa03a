import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SqliteDatabase } from './sqlite-database.js';

/** Names this run of the operating system; empty where it cannot be told. */
export function readBootId(): string {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return execFileSync('sysctl', ['-n', 'kern.boottime'], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

/**
 * The epoch of the journal. What the CLI says is committed without waiting for the disk: it survives the death of the
 * daemon, but its end may be gone when the machine itself went down. So after a boot that the journal was not closed
 * for, seqs could come twice with other events, and a new epoch says that older positions are void.
 */
export function beginEpoch(database: SqliteDatabase, bootId: string): string {
  const get = database.prepare<[string], string>(`SELECT value FROM meta WHERE key = ?`).pluck();
  const set = database.prepare(
    `INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value`,
  );
  return database.transaction(() => {
    const openedIn = get.get('open_since_boot');
    const wentDown = openedIn !== undefined && openedIn !== '' && openedIn !== bootId;
    const known = get.get('epoch');
    const epoch = known === undefined || wentDown ? randomUUID() : known;
    set.run('epoch', epoch);
    set.run('open_since_boot', bootId);
    return epoch;
  })();
}

/** All that was committed is on the disk: the next boot has nothing to doubt. */
export function endEpoch(database: SqliteDatabase): void {
  database.prepare(`DELETE FROM meta WHERE key = 'open_since_boot'`).run();
}
