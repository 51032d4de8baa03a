/** The real daemon as a process of its own, with a home, a person's home and a project folder that go when it goes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { wrongWith } from './api-answers.js';
import { waitUntil } from './wait-until.js';

export const TOKEN = 'test-token-0123456789-0123456789-0123456789';

export interface DaemonOptions {
  /** `ANTHROPIC_BASE_URL` of the CLI. */
  apiUrl: string;
  environment?: Record<string, string>;
  /** A command that the daemon is started by, for example in a namespace: it replaces itself with the rest. */
  command?: (folders: DaemonFolders) => Promise<readonly string[]>;
}

export interface Daemon {
  readonly url: string;
  readonly pid: number;
  /** `COMPANION_HOME`. */
  readonly home: string;
  /** The only allowed root. */
  readonly root: string;
  /** What the daemon that runs, or the last one, has said there. */
  readonly stderr: () => string;
  /** The same of its output, line by line. */
  readonly stdout: () => string;
  /** What the daemon finds in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** A new project folder below the root. */
  project(name?: string): string;
  /** `fetch` with the owner's credential. Rejects when the answer is not as `openapi.json` says. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Ends the daemon with this signal and starts another on the same home. */
  restart(signal: NodeJS.Signals): Promise<void>;
  /** Ends the daemon as a signal would, and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  start(): Promise<void>;
  /** Pids of live processes that carry the marker of a session. */
  sessionProcesses(sessionId: string): number[];
  /** Resolves when the condition holds; looked at again and again, for at most 20 s. */
  until(condition: () => boolean): Promise<void>;
  /** Ends the daemon and every child, and removes the folders. Rejects when something of it is left. */
  stop(): Promise<void>;
}

export const MAIN = join(import.meta.dirname, '../../dist/server/main.js');

export interface DaemonFolders {
  /** Holds everything else; short, for the paths of sockets. */
  base: string;
  home: string;
  root: string;
}

/** The folders of a daemon of its own. */
export function makeFolders(): DaemonFolders {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'companion-test-')));
  const root = join(base, 'projects');
  mkdirSync(root);
  mkdirSync(join(base, 'home'));
  return { base, home: join(base, 'companion'), root };
}

/** `TEST_CLAUDE_PATH` runs the tests with another CLI than the bundled one. */
function otherCli(): Record<string, string> {
  const path = process.env.TEST_CLAUDE_PATH;
  return path === undefined ? {} : { CLAUDE_PATH: path };
}

/** Tests do in seconds what people do in hours; those of the limits set their own. */
const UNLIMITED = Object.fromEntries(
  ['FAILED', 'PROMPTS', 'FILES', 'READS', 'FRAMES', 'CONNECTIONS', 'SESSIONS'].map((kind) => [
    `LIMIT_${kind}`,
    '1000000',
  ]),
);

/** An environment in which the daemon and its CLI touch nothing but these folders and this API. */
export const environmentIn = ({ base, home, root }: DaemonFolders, apiUrl: string): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: join(base, 'home'),
  TMPDIR: base,
  COMPANION_HOME: home,
  PORT: '0',
  PROJECT_ROOTS: root,
  AUTH_TOKEN: TOKEN,
  ANTHROPIC_BASE_URL: apiUrl,
  ANTHROPIC_API_KEY: 'sk-ant-test',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_MAX_RETRIES: '1',
  ...UNLIMITED,
});

export async function startDaemon({ apiUrl, environment = {}, command }: DaemonOptions): Promise<Daemon> {
  const folders = makeFolders();
  const { base, home, root } = folders;
  const before = (await command?.(folders)) ?? [];
  const env = { ...environmentIn(folders, apiUrl), ...otherCli(), ...environment };
  let running: Running | undefined;
  let stderr: string[] = [];
  let stdout: string[] = [];
  let projects = 0;
  const current = () => {
    if (!running) throw new Error('the daemon is not running');
    return running;
  };
  const daemon: Daemon = {
    get url() {
      return current().url;
    },
    get pid() {
      return current().process.pid ?? 0;
    },
    home,
    root,
    stderr: () => stderr.join(''),
    stdout: () => stdout.join('\n'),
    environment: env,
    project: (name) => {
      projects += 1;
      const path = join(root, name ?? `project-${projects}`);
      mkdirSync(path, { recursive: true });
      return path;
    },
    fetch: async (path, init) => {
      const response = await fetch(`${daemon.url}${path}`, { ...init, headers: withToken(init?.headers) });
      // Without the dots of the address, as it was sent.
      const wrong = await wrongWith(init?.method ?? 'GET', new URL(response.url).pathname, response);
      if (wrong !== undefined) throw new Error(`not as openapi.json says: ${wrong}`);
      return response;
    },
    start: async () => {
      running = await run(env, before);
      ({ stderr, stdout } = running);
    },
    kill: async (signal) => {
      const { process: child } = current();
      running = undefined;
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill(signal);
      const [code] = (await once(child, 'exit')) as [number | null];
      return code;
    },
    restart: async (signal) => {
      await daemon.kill(signal);
      await daemon.start();
    },
    sessionProcesses: (sessionId) => processesWith([`CLAUDE_COMPANION_SESSION=${sessionId}\0`]),
    until: (condition) => waitUntil(`it came true: ${condition.toString()}`, condition),
    stop: async () => {
      if (running) await daemon.kill('SIGKILL');
      const left = endChildrenOf(home);
      const bugs = bugsLogged(home);
      rmSync(base, { recursive: true, force: true, maxRetries: 10 });
      if (left.length > 0) throw new Error(`processes were left: ${left.join(', ')}`);
      if (bugs.length > 0) throw new Error(`the daemon met bugs of its own:\n${bugs.join('\n')}`);
    },
  };
  await daemon.start();
  return daemon;
}

/** Errors that no disk, child, network or client can cause. */
const BUGS = /Cannot (read|set) propert|is not (a function|a constructor|defined|iterable)|Maximum call stack/;

/** The lines of its log that tell of a bug. */
function bugsLogged(home: string): string[] {
  const folder = join(home, 'logs');
  if (!existsSync(folder)) return [];
  const lines = readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isFile() ? readFileSync(path, 'utf8').split('\n') : [];
  });
  return lines.filter((line) => BUGS.test(line)).map((line) => line.slice(0, 2000));
}

function withToken(given: RequestInit['headers']): Headers {
  const headers = new Headers(given);
  if (!headers.has('authorization')) headers.set('authorization', `Bearer ${TOKEN}`);
  return headers;
}

interface Running {
  process: ChildProcess;
  url: string;
  stderr: string[];
  stdout: string[];
}

async function run(env: Record<string, string>, before: readonly string[]): Promise<Running> {
  const [program, ...args] = [...before, process.execPath, MAIN];
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stderr: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => stderr.push(chunk));
  const lines = createInterface({ input: child.stdout });
  const stdout: string[] = [];
  lines.on('line', (line) => stdout.push(line));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}: ${stderr.join('')}`)));
    lines.on('line', (line) => {
      const said = JSON.parse(line) as { event?: string; url?: string };
      if (said.event === 'ready') resolve(said.url ?? '');
    });
  });
  return { process: child, url, stderr, stdout };
}

/** Pids of live processes that carry a session marker of this home. */
export const childrenOf = (home: string): number[] => processesWith(sessionMarkers(home));

function sessionMarkers(home: string): string[] {
  const run = join(home, 'run');
  const sessions = existsSync(run) ? readdirSync(run) : [];
  return sessions.map((session) => `CLAUDE_COMPANION_SESSION=${session}\0`);
}

function processesWith(markers: readonly string[]): number[] {
  if (markers.length === 0) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const environment = environmentOf(pid);
      return markers.some((marker) => environment.includes(marker));
    })
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

/** With the person's home of these folders in their environment: children, their tools, a question to the CLI on its way. */
const startedFrom = (home: string): number[] =>
  processesWith([...sessionMarkers(home), `HOME=${join(home, '../home')}\0`]);

/** What was killed is gone within so many milliseconds, or what it has started is looked for again. */
const GONE_MS = 100;

/** Children outlive the daemon by design; tests end all that they started. Returns those that could not be ended. */
export function endChildrenOf(home: string): number[] {
  for (let round = 0; round < 100; round += 1) {
    const left = startedFrom(home);
    if (left.length === 0) return [];
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
    for (let waited = 0; waited < GONE_MS && left.some((pid) => environmentOf(String(pid)) !== ''); waited += POLL_MS)
      Atomics.wait(CLOCK, 0, 0, POLL_MS);
  }
  return startedFrom(home);
}

const POLL_MS = 4;
const CLOCK = new Int32Array(new SharedArrayBuffer(4));
