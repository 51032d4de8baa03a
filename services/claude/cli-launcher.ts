import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { OWN_FILE } from '../../disk/own-file.js';
import { isScarcity, toCapacityError } from '../../protocol/failures.js';
import type { AdoptOptions, ClaudeChild, ClaudeLauncher, ClaudeLaunchers, StartOptions } from '../ports/claude.js';
import type { UserId } from '../ports/records.js';
import { type CliDefaults, cliArguments } from './cli/cli-arguments.js';
import type { CliStatus } from './cli/cli-status.js';
import { forgetFileRules } from './cli/file-rules.js';
import { isShadowed } from './cli/shadowed-command.js';
import { spawnError, startError } from './cli/start-error.js';
import { HeldChild, type HeldChildOptions } from './held-child.js';
import { Descendants } from './process/descendants.js';
import { DiskProbe } from './process/disk-probe.js';
import { endChild } from './process/end-child.js';
import { makeFifo, openForChild } from './process/input-fifo.js';
import { identify, isAlive, signalEach } from './process/process-identity.js';
import type { ProcessIdentity } from './process/process-reading.js';
import {
  type ProcessRecord,
  prepareFolder,
  type RunFiles,
  readProcessRecord,
  removeFolder,
  runFiles,
  writeProcessRecord,
} from './process/process-record.js';
import { CHILD_MARKER, SESSION_MARKER, sweep, waitForEnd } from './process/sweep.js';
import { createTranscripts, TranscriptLanes } from './transcript/transcript.js';
import { configFolder } from './transcript/transcript-location.js';

interface LauncherOptions {
  status: CliStatus;
  environment: NodeJS.ProcessEnv;
  defaults: CliDefaults;
  /** The parent folder of `run/<session>/`. */
  runFolder: string;
  disk: DiskProbe;
}

export interface LaunchersOptions extends Omit<LauncherOptions, 'environment' | 'disk'> {
  /** The environment of this person's CLI. */
  environmentOf: (person: UserId) => NodeJS.ProcessEnv;
}

/** Creates the launcher of each person's children. */
export function createClaudeLaunchers({ environmentOf, ...options }: LaunchersOptions): ClaudeLaunchers {
  const lanes = new TranscriptLanes();
  const disk = new DiskProbe(dirname(options.runFolder));
  const known = new Map<UserId, ClaudeLauncher>();
  return {
    of: (person) => {
      const launcher =
        known.get(person) ?? createLauncher({ ...options, disk, environment: environmentOf(person) }, lanes);
      known.set(person, launcher);
      return launcher;
    },
  };
}

function createLauncher(options: LauncherOptions, lanes: TranscriptLanes): ClaudeLauncher {
  return {
    start: (start) =>
      startChild(options, start).catch((error: unknown) => {
        throw startError(error);
      }),
    adopt: (adopt) => adoptChild(options, adopt),
    forgetFileRules,
    isShadowed: (command, { workingDirectory: directory, addDirectories }) =>
      isShadowed(command, { directory, addDirectories, configFolder: configFolder(options.environment) }),
    discard: async (sessionId) => {
      const files = runFiles(options.runFolder, sessionId);
      if (!existsSync(files.folder)) return;
      await sweep({ marker: SESSION_MARKER, value: sessionId, ...recordedDescendants(files) });
      removeFolder(files);
    },
    checkAvailable: () => options.status.check(),
    ...createTranscripts(options.environment, lanes),
  };
}

/** The recorded descendants of the child. */
function recordedDescendants(files: RunFiles): { descendants?: Descendants } {
  const record = readProcessRecord(files);
  return record ? { descendants: new Descendants(record) } : {};
}

async function startChild(launcher: LauncherOptions, options: StartOptions): Promise<ClaudeChild> {
  const binary = launcher.status.requireBinary();
  const { sessionId, listener, suggestsPrompts = false, deniedTools = [], appendedPrompt } = options;
  const files = runFiles(launcher.runFolder, sessionId);
  const childId = randomUUID();
  prepareFolder(files);
  try {
    await launcher.disk.check();
    await makeFifo(files.stdin);
    const { exited, identity } = await spawnDetached({ launcher, options, binary, files, childId });
    const record = { childId, ...identity, binary };
    return await hold(record, () => {
      writeProcessRecord(files, record);
      const asked = { suggestsPrompts, deniedTools, appendedPrompt };
      const held = { sessionId, record, files, disk: launcher.disk, listener, ...asked };
      return takeUp({ ...held, exited, processed: 0, resume: 0 });
    });
  } catch (error) {
    removeFolder(files);
    throw error;
  }
}

/** Ends a child that cannot be recorded or held, since no daemon would find it later. */
async function hold(record: ProcessRecord, take: () => Promise<ClaudeChild>): Promise<ClaudeChild> {
  try {
    return await take();
  } catch (error) {
    await signalEach([record], 'SIGKILL');
    await sweep({ marker: CHILD_MARKER, value: record.childId });
    throw error;
  }
}

interface SpawnOptions {
  launcher: LauncherOptions;
  options: StartOptions;
  binary: string;
  files: RunFiles;
  childId: string;
}

/** The child reads the FIFO, appends to files, and leads its own session: nothing ties it to this process. */
async function spawnDetached({ launcher, options, binary, files, childId }: SpawnOptions) {
  const descriptors = [
    openForChild(files.stdin),
    openSync(files.stdout, 'a', OWN_FILE),
    openSync(files.stderr, 'a', OWN_FILE),
  ];
  try {
    const child = spawn(binary, cliArguments(options, launcher.defaults), {
      cwd: options.workingDirectory,
      env: { ...launcher.environment, [SESSION_MARKER]: options.sessionId, [CHILD_MARKER]: childId },
      stdio: descriptors as [number, number, number],
      detached: true,
    });
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(spawnError(error, { workingDirectory: options.workingDirectory, binary })));
    });
    child.unref();
    const pid = child.pid ?? 0;
    return { identity: await identityOf(child, pid), exited };
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

/**
 * The identity of a child that was just started. Ends it when it cannot be identified: no daemon could adopt it later.
 */
async function identityOf(child: ChildProcess, pid: number): Promise<ProcessIdentity> {
  try {
    return (await identify(pid)) ?? { pid, startTime: 'ended' };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

async function adoptChild(launcher: LauncherOptions, options: AdoptOptions): Promise<ClaudeChild | undefined> {
  const { sessionId, childId, processed, resume, listener, deniedTools = [] } = options;
  const files = runFiles(launcher.runFolder, sessionId);
  const record = readProcessRecord(files);
  if (record?.childId !== childId) return undefined;
  const held = { sessionId, record, files, disk: launcher.disk, listener, processed, resume, deniedTools };
  if (await isAlive(record)) {
    try {
      const child = await takeUp(held);
      // A mark left by a reaper that did not end the child: an end from here on is not an orphan's.
      rmSync(files.orphaned, { force: true });
      return child;
    } catch (error) {
      if (isScarcity(error)) throw toCapacityError('The daemon could not reconnect to the Claude CLI', error);
      // Without its FIFO, the child can receive and report nothing.
      await endChild({
        identity: record,
        left: { marker: CHILD_MARKER, value: childId, descendants: new Descendants(record) },
      });
    }
  }
  return existsSync(files.stdout) ? new HeldChild({ ...held, ...UNSEEN_END }) : undefined;
}

const UNSEEN_END = { alive: false, exited: Promise.resolve({ code: null, signal: null }) };

/** A process that is closing its files and is still briefly alive is terminated. */
const DYING_MS = 1000;

/** Holds a child that was alive a moment ago. One that has ended since is also held, for its output and exit. */
async function takeUp(held: Omit<HeldChildOptions, 'alive'>): Promise<ClaudeChild> {
  try {
    return new HeldChild({ ...held, alive: true });
  } catch (error) {
    const isEnding = (error as NodeJS.ErrnoException).code === 'ENXIO';
    if (!(await waitForEnd([held.record], isEnding ? DYING_MS : 0))) throw error;
    return new HeldChild({ ...UNSEEN_END, ...held });
  }
}
