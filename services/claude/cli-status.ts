import { CompanionError } from '../../protocol/error-codes.js';
import { isExecutable, locateCli, readLoggedIn, readVersion } from './cli-locator.js';
import { CliVersion } from './cli-version.js';

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
