import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

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
export function isExecutable(path: string): boolean {
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
export async function readVersion({ binary, environment, signal }: ProbeOptions): Promise<string | undefined> {
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
export async function readLoggedIn({ binary, environment, signal }: ProbeOptions): Promise<boolean> {
  const options = { env: environment, timeout: PROBE_TIMEOUT_MS, signal };
  const stdout = await run(binary, ['auth', 'status', '--json'], options).then(
    (done) => done.stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
  return !/"loggedIn"\s*:\s*false/.test(stdout);
}
