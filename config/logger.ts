import { join } from 'node:path';
import { Writable } from 'node:stream';
import { LogFile } from './log-file.js';
import type { LOG_LEVELS } from './settings.js';

type Level = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  level: Level;
  /** `COMPANION_HOME/logs`. */
  folder: string;
}

type Write = (message: string, fields?: Record<string, unknown>) => void;

export interface Logger extends Readonly<Record<Level, Write>> {
  /** Starts writing, including everything logged before. */
  open(): Promise<void>;
  /** Resolves when everything has been written. */
  close(): Promise<void>;
}

interface Entry extends Record<string, unknown> {
  level: Level;
  message: string;
  timestamp: string;
}

/** Field names whose values are never written, whatever their source. */
const SECRET = /token|secret|password|authorization|credential|prompt$|content$|cookie/i;

const redacted = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, SECRET.test(key) ? '(not logged)' : value]));

/**
 * JSON lines in rotated files that only the owner can read; warnings and errors also on stderr. `open` loads the
 * underlying library after the daemon serves: earlier messages wait in memory.
 */
export function createLogger({ level, folder }: LoggerOptions): Logger {
  const waiting: Entry[] = [];
  let sink: Sink | undefined;
  const write =
    (severity: Level): Write =>
    (message, fields = {}) => {
      const entry = { ...redacted(fields), level: severity, message, timestamp: new Date().toISOString() };
      if (sink) sink.log(entry);
      else waiting.push(entry);
    };
  const open = async () => {
    sink ??= await openSink({ level, folder });
    for (const entry of waiting.splice(0)) sink.log(entry);
  };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    open,
    close: async () => {
      await open();
      await sink?.close();
    },
  };
}

interface Sink {
  log(entry: Entry): void;
  close(): Promise<void>;
}

const FILE_BYTES = 10 * 1024 * 1024;
const FILES = 5;

async function openSink({ level, folder }: LoggerOptions): Promise<Sink> {
  const { default: winston } = await import('winston');
  const file = new LogFile({ path: join(folder, 'companion.log'), maxBytes: FILE_BYTES, files: FILES });
  const lines = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      file.write(line);
      done();
    },
  });
  const logger = winston.createLogger({
    level,
    format: winston.format.json(),
    transports: [
      new winston.transports.Stream({ stream: lines, eol: '' }),
      new winston.transports.Console({ level: 'warn', stderrLevels: ['error', 'warn'] }),
    ],
  });
  // The log cannot report its own failure; its file counts refused lines and reports them later.
  logger.on('error', () => {});
  return {
    log: (entry) => logger.log(entry),
    close: async () => {
      await new Promise<void>((resolve) => {
        logger.once('finish', () => resolve());
        logger.end();
      });
      await file.close();
    },
  };
}
