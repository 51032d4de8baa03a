import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { writeBriefly } from '../../../disk/write-whole.js';
import { CompanionError } from '../../../protocol/error-codes.js';

export interface CliStatusOptions {
  /** The file that stores the last known version. */
  versionFile: string;
  configuredPath?: string;
  environment: NodeJS.ProcessEnv;
}

const REMEDY_MISSING =
  'Install Claude Code so that `claude` is on the PATH of the daemon, or set CLAUDE_PATH to its executable.';
const REMEDY_PATH =
  'Set CLAUDE_PATH to the executable of Claude Code, or leave it out to use `claude` on the PATH of the daemon.';
const REMEDY_LOGIN =
  'Run `claude` in a terminal on this machine and log in with /login, or set ANTHROPIC_API_KEY for the daemon.';

/** The state of the CLI: its path, its version and whether it has credentials. */
export class CliStatus {
  readonly #options: CliStatusOptions;
  readonly #closing = new AbortController();
  #found: string | undefined;
  readonly #version: CliVersion;
  #loggedIn: boolean | undefined;
  #probing: Promise<void> | undefined;

  constructor(options: CliStatusOptions) {
    this.#options = options;
    const read = (binary: string) => readVersion({ ...this.#probeOptions(), binary });
    this.#version = new CliVersion({ file: options.versionFile, read });
  }

  /** The CLI's version within 250 ms: `unknown` while it is pending, and undefined without a CLI. */
  async version(): Promise<string | undefined> {
    const binary = this.#binary();
    return binary === undefined ? undefined : this.#version.of(binary);
  }

  /** The problem and its remedy, as far as known without running the CLI; undefined when there is none. */
  get problem(): { code: 'CLAUDE_UNAVAILABLE' | 'CLAUDE_NOT_LOGGED_IN'; message: string; remedy: string } | undefined {
    if (this.#binary() === undefined) return { code: 'CLAUDE_UNAVAILABLE', ...this.#missing() };
    if (this.#loggedIn === false) {
      return { code: 'CLAUDE_NOT_LOGGED_IN', message: 'The Claude CLI is not logged in.', remedy: REMEDY_LOGIN };
    }
    return undefined;
  }

  /** Returns the executable, or throws `CLAUDE_UNAVAILABLE`. */
  requireBinary(): string {
    const binary = this.#binary();
    if (binary === undefined) throw this.#error();
    return binary;
  }

  /** Asks the CLI whether it is logged in. */
  probe(): Promise<void> {
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Rejects when a prompt could not run. Probes again after a negative answer: a person may have logged in. */
  async check(): Promise<void> {
    if (this.#loggedIn !== true && this.#binary() !== undefined) await this.probe();
    if (this.problem) throw this.#error();
  }

  /** Aborts running probes. */
  close(): void {
    this.#closing.abort();
  }

  #probeOptions() {
    return { environment: this.#options.environment, signal: this.#closing.signal };
  }

  async #probe(): Promise<void> {
    const binary = this.#binary();
    if (binary === undefined) return;
    const [loggedIn] = await Promise.all([
      this.#hasKey || readLoggedIn({ ...this.#probeOptions(), binary }),
      this.version(),
    ]);
    this.#loggedIn = loggedIn;
  }

  /** The CLI reports a login for any key without a request (2.1.197, 2.1.332), and takes 0.3 s of a processor for it. */
  get #hasKey(): boolean {
    return (this.#options.environment.ANTHROPIC_API_KEY ?? '').trim() !== '';
  }

  /** Searched again only when the last executable is gone, because every prompt waits for the search. */
  #binary(): string | undefined {
    if (this.#found !== undefined && isExecutable(this.#found)) return this.#found;
    const { configuredPath, environment } = this.#options;
    const path = environment.PATH ?? '';
    this.#found = locateCli({ path, ...(configuredPath !== undefined && { configuredPath }) });
    return this.#found;
  }

  #missing(): { message: string; remedy: string } {
    const { configuredPath } = this.#options;
    if (configuredPath === undefined) return { message: 'There is no Claude CLI.', remedy: REMEDY_MISSING };
    const message = `There is no Claude CLI: CLAUDE_PATH is ${configuredPath}, which is not an executable file.`;
    return { message, remedy: REMEDY_PATH };
  }

  #error(): CompanionError {
    const { code, message, remedy } = this.problem ?? { code: 'CLAUDE_UNAVAILABLE' as const, ...this.#missing() };
    return new CompanionError(code, `${message} ${remedy}`, { suggestion: remedy });
  }
}

const run = promisify(execFile);

export interface LocateOptions {
  /** `CLAUDE_PATH`: used as it is, without a fallback. */
  configuredPath?: string;
  /** The search path of the child's environment. */
  path: string;
}

/** The CLI's executable: the configured one, else `claude` on the path, else the one bundled with the Agent SDK. */
export function locateCli({ configuredPath, path }: LocateOptions): string | undefined {
  if (configuredPath !== undefined) return isExecutable(configuredPath) ? configuredPath : undefined;
  const onPath = path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'claude'));
  return [...onPath, ...bundledPaths()].find(isExecutable);
}

/** Whether this is an executable file. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Whatever the reason, an unreadable file cannot be run.
    return false;
  }
}

/**
 * The SDK bundles its CLI in a package for each platform; on Linux in one for each C library, one of which is
 * installed.
 */
function bundledPaths(): string[] {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  return [platform, `${platform}-musl`].flatMap((name) => {
    try {
      const sdk = dirname(require.resolve('@anthropic-ai/claude-agent-sdk'));
      return createRequire(join(sdk, 'sdk.mjs')).resolve(`@anthropic-ai/claude-agent-sdk-${name}/claude`);
    } catch {
      // It is not installed, or not for this platform. A missing CLI is reported at the start and by the health
      // endpoint.
      return [];
    }
  });
}

const PROBE_TIMEOUT_MS = 20_000;

interface ProbeOptions {
  binary: string;
  environment: NodeJS.ProcessEnv;
  /** Aborts the probe. */
  signal: AbortSignal;
}

/** `--version` of the CLI, for example `2.1.329`; undefined when it prints none. */
async function readVersion({ binary, environment, signal }: ProbeOptions): Promise<string | undefined> {
  try {
    const { stdout } = await run(binary, ['--version'], { env: environment, timeout: PROBE_TIMEOUT_MS, signal });
    return /^\d+\.\d+\.\d+\S*/.exec(stdout.trim())?.[0];
  } catch {
    // It does not run, does not answer in time or is aborted: the session that needs it reports the problem.
    return undefined;
  }
}

/**
 * Whether the CLI has credentials: `auth status --json` prints `loggedIn` and exits 1 without any (2.1.197, 2.1.329). A
 * CLI with any other answer counts as logged in: its first turn reveals the state.
 */
async function readLoggedIn({ binary, environment, signal }: ProbeOptions): Promise<boolean> {
  const options = { env: environment, timeout: PROBE_TIMEOUT_MS, signal };
  const stdout = await run(binary, ['auth', 'status', '--json'], options).then(
    (done) => done.stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
  return !/"loggedIn"\s*:\s*false/.test(stdout);
}

const knownSchema = z.object({ identity: z.string(), version: z.string() });

export interface CliVersionOptions {
  /** The file that keeps the last known version for the next daemon. */
  file: string;
  /** Asks the executable; undefined when it prints no version. Takes up to 20 s on a busy machine. */
  read: (binary: string) => Promise<string | undefined>;
}

/** How long a connecting client waits for the version, in milliseconds. */
const PATIENCE_MS = 250;
/** Minimum delay before the next attempt after a failed one. */
const ASK_AGAIN_MS = 10_000;

/** The version of a CLI that exists but has not reported one yet. */
export const UNKNOWN_VERSION = 'unknown';

/** The version of the CLI: read once for each executable, by path, time and size, since it can be updated in place. */
export class CliVersion {
  readonly #options: CliVersionOptions;
  #known: z.infer<typeof knownSchema> | undefined;
  #asking: { identity: string; answer: Promise<void> } | undefined;
  #failed: { identity: string; at: number } | undefined;

  constructor(options: CliVersionOptions) {
    this.#options = options;
    this.#known = readKnown(options.file);
  }

  /** Returned at once where it is known, and otherwise within a quarter of a second, as `unknown` if necessary. */
  async of(binary: string): Promise<string> {
    const identity = identityOf(binary);
    if (this.#known?.identity !== identity && this.#mayAsk(identity)) {
      if (this.#asking?.identity !== identity) this.#asking = { identity, answer: this.#ask(binary, identity) };
      await within(PATIENCE_MS, this.#asking.answer);
    }
    return this.#known?.identity === identity ? this.#known.version : UNKNOWN_VERSION;
  }

  #mayAsk(identity: string): boolean {
    return this.#failed?.identity !== identity || performance.now() > this.#failed.at + ASK_AGAIN_MS;
  }

  async #ask(binary: string, identity: string): Promise<void> {
    const version = await this.#options.read(binary);
    this.#asking = undefined;
    this.#failed = version === undefined ? { identity, at: performance.now() } : undefined;
    if (version !== undefined) this.#keep({ identity, version });
  }

  #keep(known: z.infer<typeof knownSchema>): void {
    this.#known = known;
    try {
      writeBriefly(this.#options.file, JSON.stringify(known));
    } catch {
      // On a full disk the next daemon asks again.
    }
  }
}

function readKnown(file: string): z.infer<typeof knownSchema> | undefined {
  try {
    return knownSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // At the first start, or with a corrupt file, the CLI is asked again.
    return undefined;
  }
}

/** The identity of a link's target. */
function identityOf(binary: string): string {
  const stats = statSync(binary, { throwIfNoEntry: false });
  return `${binary} ${stats?.mtimeMs} ${stats?.size}`;
}

async function within(ms: number, done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
