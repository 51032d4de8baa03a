/** A daemon that a test starts, looks at and ends, whether it comes to serve or not. It asks Claude nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type DaemonFolders, environmentIn, makeFolders } from './daemon.js';
import { type DaemonRun, endRun, runDaemon } from './run-daemon.js';

/** Nobody serves there. */
export const NO_API = 'http://127.0.0.1:9';

export interface Started extends DaemonRun {
  folders: DaemonFolders;
}

export interface Setup {
  /** Instead of what tests usually set; undefined leaves a setting out. */
  environment?: Record<string, string | undefined>;
  /** `COMPANION_HOME/config.json`. */
  file?: unknown;
  /** Before the start. */
  prepare?: (folders: DaemonFolders) => Record<string, string>;
}

/** Starts a daemon, waits until it serves or ends, looks at it and ends it. */
export async function withDaemon(
  { environment, file, prepare }: Setup,
  look: (daemon: Started) => Promise<void>,
): Promise<void> {
  const folders = makeFolders();
  if (file !== undefined) {
    mkdirSync(folders.home, { mode: 0o700 });
    writeFileSync(join(folders.home, 'config.json'), typeof file === 'string' ? file : JSON.stringify(file), {
      mode: 0o600,
    });
  }
  const given = { ...environmentIn(folders, NO_API), ...environment, ...prepare?.(folders) };
  const set = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const run = runDaemon({ environment: Object.fromEntries(set) });
  await run.ready;
  try {
    await look({ ...run, folders });
  } finally {
    await endRun(run, folders);
  }
}

/** It must say this and end with 1, without a word on stdout. */
export async function expectRefusal(setup: Setup, ...said: (string | RegExp)[]): Promise<string> {
  let stderr = '';
  await withDaemon(setup, async (daemon) => {
    expect(await daemon.exited).toBe(1);
    stderr = daemon.stderr();
    for (const part of said) expect(stderr).toMatch(part);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(daemon.stdout).toEqual([]);
  });
  return stderr;
}

/** It must serve, without a word on stderr. */
export const served = async (setup: Setup, look: (daemon: Started, url: string) => Promise<void> = async () => {}) =>
  withDaemon(setup, async (daemon) => {
    const url = await daemon.ready;
    expect(daemon.stderr()).toBe('');
    if (url === undefined) throw new Error('it did not serve');
    await look(daemon, url);
  });
