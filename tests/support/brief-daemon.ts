/** A daemon that a test starts, looks at and ends, whether it comes to serve or not. It asks Claude nothing. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { ConfigError, loadConfig, loadHome } from '../../config/load-config.js';
import { BrokenFileError } from '../../disk/json-fault.js';
import { HomeUnusableError, openHome } from '../../server/daemon-home.js';
import { openTlsFiles } from '../../server/tls-files.js';
import { openRegistryFile } from '../../services/identity/registry-file.js';
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

/** The folders and the whole environment of a daemon that is set up like this. */
function setUp({ environment, file, prepare }: Setup): { folders: DaemonFolders; environment: Record<string, string> } {
  const folders = makeFolders();
  if (file !== undefined) {
    mkdirSync(folders.home, { mode: 0o700 });
    writeFileSync(join(folders.home, 'config.json'), typeof file === 'string' ? file : JSON.stringify(file), {
      mode: 0o600,
    });
  }
  const given = { ...environmentIn(folders, NO_API), ...environment, ...prepare?.(folders) };
  const set = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { folders, environment: Object.fromEntries(set) };
}

/** Starts a daemon, waits until it serves or ends, looks at it and ends it. */
export async function withDaemon(setup: Setup, look: (daemon: Started) => Promise<void>): Promise<void> {
  const { folders, environment } = setUp(setup);
  const run = runDaemon({ environment });
  await run.ready;
  try {
    await look({ ...run, folders });
  } finally {
    await endRun(run, folders);
  }
}

const REFUSALS = [ConfigError, BrokenFileError, HomeUnusableError];

/**
 * What a start says when it refuses these settings, certificate, home or registry, from the functions that a start
 * calls: for the rows of a table, of which `expectRefusal` shows a few with a real daemon. Rejects when it would not refuse them.
 */
export async function refusalOf(setup: Setup): Promise<string> {
  const { folders, environment } = setUp(setup);
  try {
    const settings = loadConfig(loadHome(environment), environment);
    openTlsFiles(settings);
    const { paths, close } = openHome(settings.home);
    await openRegistryFile(paths.registry).finally(close);
  } catch (error) {
    if (REFUSALS.some((refusal) => error instanceof refusal)) return (error as Error).message;
    throw error;
  } finally {
    rmSync(folders.base, { recursive: true });
  }
  throw new Error(`it would start with ${JSON.stringify(setup)}`);
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

/** It must serve, without a word on stderr but its address. */
export const served = async (setup: Setup, look: (daemon: Started, url: string) => Promise<void> = async () => {}) =>
  withDaemon(setup, async (daemon) => {
    const url = await daemon.ready;
    expect(daemon.stderr()).toBe(`Console: ${url}\n`);
    if (url === undefined) throw new Error('it did not serve');
    await look(daemon, url);
  });
