/** A daemon, a scripted API and the bare CLI beside it, under the same circumstances. */
import { readFileSync } from 'node:fs';
import { childEnvironment } from '../../config/child-environment.js';
import { settingsSchema } from '../../config/settings.js';
import { type Reply, type Script, startMessagesApi } from '../../demo/messages-api.js';
import type { SessionId } from '../../protocol/scalars.js';
import { cliArguments } from '../../services/claude/cli/cli-arguments.js';
import { locateCli } from '../../services/claude/cli/cli-status.js';
import { childrenOf, type Daemon, startDaemon } from '../../tests/support/daemon.js';
import { openBareCli } from './bare-cli.js';
import { type BenchSocket, openBenchSocket } from './bench-socket.js';
import { sleep, within } from './clock.js';
import type { Conversation } from './conversation.js';
import { openHeldSession } from './held-session.js';

export interface StageOptions {
  script?: Script;
  /** In place of the real CLI. */
  binary?: string;
  environment?: Record<string, string>;
}

export interface Stage {
  readonly daemon: Daemon;
  readonly socket: BenchSocket;
  readonly binary: string;
  /** What the daemon would give its children. */
  readonly childEnvironment: Readonly<Record<string, string>>;
  readonly cliArguments: string[];
  held(directory?: string): Conversation;
  /** `more`: arguments that follow those of the daemon's children. */
  bare(directory?: string, more?: readonly string[]): Conversation;
  /** Resolves when the daemon has no children. */
  childless(): Promise<void>;
  close(): Promise<void>;
}

const SHORT: Reply = { kind: 'message', blocks: [{ kind: 'text', text: 'This answer was written beforehand.' }] };
const CHILDLESS_MS = 15_000;

const open = new Set<Stage>();

/** For an end that comes in the middle of a benchmark. */
export async function closeStages(): Promise<void> {
  await Promise.allSettled([...open].map((stage) => stage.close()));
}

/** The CLI that is bundled with the Agent SDK, whatever is on the path. */
export function realCli(): string {
  const binary = locateCli({ path: '' });
  if (binary === undefined) throw new Error('the Agent SDK brought no CLI for this platform');
  return binary;
}

export async function setStage({ script = () => SHORT, binary = realCli(), environment }: StageOptions = {}) {
  const api = await startMessagesApi(script);
  const settings = { ...environment, CLAUDE_PATH: binary };
  const daemon = await startDaemon({ apiUrl: api.url, environment: settings }).catch(async (error: unknown) => {
    await api.close();
    throw error;
  });
  const socket = await openBenchSocket(daemon);
  const childEnv = childEnvironment(environmentOf(daemon.pid), Object.keys(settingsSchema.shape));
  const noChoices = { allowedTools: [], disallowedTools: [], allowBypass: false, home: daemon.home };
  const args = cliArguments(
    { sessionId: '' as SessionId, workingDirectory: '', addDirectories: [], allowedTools: [], listener: NOBODY },
    noChoices,
  );
  const bareClis = new Set<Conversation>();
  const stage: Stage = {
    daemon,
    socket,
    binary,
    childEnvironment: childEnv,
    cliArguments: args,
    held: (directory = daemon.project()) => openHeldSession(socket, directory),
    bare: (directory = daemon.project(), more = []) => {
      const cli = openBareCli({ binary, args: [...args, ...more], environment: childEnv, directory });
      bareClis.add(cli);
      return { ...cli, close: () => cli.close().finally(() => bareClis.delete(cli)) };
    },
    childless: () => within(untilNone(daemon.home), CHILDLESS_MS, 'the end of the children'),
    close: async () => {
      open.delete(stage);
      await Promise.all([...bareClis].map((cli) => cli.close()));
      await daemon.stop();
      await api.close();
    },
  };
  open.add(stage);
  return stage;
}

const NOBODY = { isTaken: () => false, onLines: async () => {}, onTrouble: () => {}, onExit: () => {} };

/** Read from the running daemon, so that both sides of a comparison have the same. */
function environmentOf(pid: number): Record<string, string> {
  const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  return Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

async function untilNone(home: string): Promise<void> {
  while (childrenOf(home).length > 0) await sleep(50);
}
