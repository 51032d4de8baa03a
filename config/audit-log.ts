import { join } from 'node:path';
import { cutText } from '../protocol/cut-text.js';
import { LogFile } from './log-file.js';
import type { Logger } from './logger.js';

export interface AuditLogOptions {
  /** `COMPANION_HOME/logs`. */
  folder: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Is told of lines that a full disk did not take, once it takes lines again. */
  log: Pick<Logger, 'warn'>;
}

type Fields = Readonly<Record<string, string | undefined>>;

export interface AuditLog {
  /** Takes one entry. Never fails; what finds no room is lost. */
  record(entry: Fields): void;
  /** Resolves when all has been written or lost. */
  close(): Promise<void>;
}

const FILE_BYTES = 10 * 1024 * 1024;
const FILES = 10;
/** Clients choose some of the texts; none of them needs more. */
const MAX_TEXT = 200;

/** One line of JSON for each entry, in rotated files that only the owner may read. */
export function createAuditLog({ folder, now, log }: AuditLogOptions): AuditLog {
  const file = new LogFile({
    path: join(folder, 'audit.log'),
    maxBytes: FILE_BYTES,
    files: FILES,
    onRegained: (lost) => log.warn('the audit log has a gap: the disk did not take all of its lines', { lost }),
  });
  return {
    record: (entry) => file.write(JSON.stringify({ at: new Date(now()).toISOString(), ...bounded(entry) })),
    close: () => file.close(),
  };
}

/** What is not a text is left out, whoever passes it: an entry must not be lost for it, nor its caller fail. */
const bounded = (entry: Fields): Fields =>
  Object.fromEntries(
    Object.entries(entry).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name, cutText(text, MAX_TEXT)]] : [],
    ),
  );
