import { join } from 'node:path';
import { cutText } from '../protocol/plain-text.js';
import { LogFile } from './log-file.js';
import type { Logger } from './logger.js';

export interface AuditLogOptions {
  /** `COMPANION_HOME/logs`. */
  folder: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Receives the number of lines lost to a full disk, once it accepts lines again. */
  log: Pick<Logger, 'warn'>;
}

type Fields = Readonly<Record<string, string | undefined>>;

export interface AuditLog {
  /** Records one entry. Never fails; an entry that does not fit is lost. */
  record(entry: Fields): void;
  /** Resolves when everything has been written or lost. */
  close(): Promise<void>;
}

/** Below `COMPANION_HOME/logs`; older files have a number behind it. */
export const AUDIT_LOG = 'audit.log';
const FILE_BYTES = 10 * 1024 * 1024;
const FILES = 10;
/** Clients choose some of the texts; none needs more than this. */
const MAX_TEXT = 200;

/** One line of JSON per entry, in rotated files that only the owner can read. */
export function createAuditLog({ folder, now, log }: AuditLogOptions): AuditLog {
  const file = new LogFile({
    path: join(folder, AUDIT_LOG),
    maxBytes: FILE_BYTES,
    files: FILES,
    onRegained: (lost) => log.warn('the audit log has a gap; some of its lines could not be written', { lost }),
  });
  return {
    record: (entry) => file.write(JSON.stringify({ at: new Date(now()).toISOString(), ...bounded(entry) })),
    close: () => file.close(),
  };
}

/** Drops anything that is not a text: it must neither lose the entry nor fail the caller. */
const bounded = (entry: Fields): Fields =>
  Object.fromEntries(
    Object.entries(entry).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name, cutText(text, MAX_TEXT)]] : [],
    ),
  );
