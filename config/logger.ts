import { join } from 'node:path';
import winston from 'winston';
import type { LOG_LEVELS } from './settings.js';

export interface LoggerOptions {
  level: (typeof LOG_LEVELS)[number];
  /** `COMPANION_HOME/logs`. */
  folder: string;
}

export interface Logger {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  debug(message: string, fields?: Record<string, unknown>): void;
  /** Resolves when all has been written. */
  close(): Promise<void>;
}

const FILE_BYTES = 10 * 1024 * 1024;
const FILES = 5;
/** Field names whose values are never written, whoever passes them. */
const SECRET = /token|secret|password|authorization|credential|prompt$|content$|cookie/i;

const redact = winston.format((entry) => {
  for (const key of Object.keys(entry)) if (SECRET.test(key)) entry[key] = '(not logged)';
  return entry;
});

/** JSON lines in rotated files that only the owner may read; warnings and worse on stderr as well. */
export function createLogger({ level, folder }: LoggerOptions): Logger {
  const logger = winston.createLogger({
    level,
    format: winston.format.combine(redact(), winston.format.timestamp(), winston.format.json()),
    transports: [
      new winston.transports.File({
        filename: join(folder, 'companion.log'),
        maxsize: FILE_BYTES,
        maxFiles: FILES,
        tailable: true,
        options: { flags: 'a', mode: 0o600 },
      }),
      new winston.transports.Console({ level: 'warn', stderrLevels: ['error', 'warn'] }),
    ],
  });
  const log = (severity: string) => (message: string, fields?: Record<string, unknown>) => {
    logger.log(severity, message, fields);
  };
  return {
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    debug: log('debug'),
    close: () =>
      new Promise((resolve) => {
        logger.once('finish', () => resolve());
        logger.end();
      }),
  };
}
