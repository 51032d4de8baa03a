import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { locateCli } from '../../services/claude/cli/cli-status.js';
import type { Daemon } from './daemon.js';

const binaryOf = ({ environment }: Daemon): string => {
  const { CLAUDE_PATH: configuredPath, PATH: path = '' } = environment;
  return locateCli({ path, ...(configuredPath !== undefined && { configuredPath }) }) ?? '';
};

/** Runs a turn in a terminal of the person's own. Returns the id of the conversation. */
export async function inTerminal(daemon: Daemon, directory: string, ...args: string[]): Promise<string> {
  const child = spawn(binaryOf(daemon), ['-p', '--output-format', 'json', ...args, '--allowedTools', 'Bash'], {
    cwd: directory,
    env: daemon.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`the CLI ended with code ${code}`);
  return (JSON.parse(Buffer.concat(output).toString()) as { session_id: string }).session_id;
}

/** What another program sees of a conversation. */
export interface SeenAtDesk {
  customTitle?: string;
  tag?: string;
  archived?: boolean;
}

export type DeskAction = 'renameSession' | 'tagSession' | 'archiveSession' | 'unarchiveSession';

const SCRIPT = `
const sdk = await import('@anthropic-ai/claude-agent-sdk');
const { createInterface } = await import('node:readline');
for await (const line of createInterface({ input: process.stdin })) {
  const { id, actions } = JSON.parse(line);
  for (const [name, ...given] of actions) await sdk[name](id, ...given);
  const { customTitle, tag, archived } = (await sdk.getSessionInfo(id)) ?? {};
  console.log(JSON.stringify({ customTitle, tag, archived }));
}
`;

type Program = (request: string) => Promise<string>;

/** Runs until it has an error or until the process of the tests ends, since each start loads the SDK. */
function startProgram({ home }: Daemon): Program {
  const env = { PATH: process.env.PATH, CLAUDE_CONFIG_DIR: join(dirname(home), 'home/.claude') };
  const cwd = join(import.meta.dirname, '../..');
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], { cwd, env, stdio: 'pipe' });
  // It ends with the process of the tests, and does not keep it.
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Socket).unref();
  const said: string[] = [];
  child.stderr.on('data', (bytes: Buffer) => said.push(bytes.toString()));
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(() => {
    programs.delete(home);
    throw new Error(`the program ended: ${said.join('')}`);
  });
  // Who waits for an answer hears of it.
  ended.catch(() => {});
  let before: Promise<unknown> = Promise.resolve();
  return (request) => {
    const answer = before.then(async () => {
      child.stdin.write(`${request}\n`);
      const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
      return line;
    });
    // The next one waits for it, whatever it is.
    before = answer.catch(() => {});
    return answer;
  };
}

const programs = new Map<string, Program>();

/** Another program on the machine of this daemon does this with a conversation. Resolves with what it then sees of it. */
export async function atDesk(
  daemon: Daemon,
  claudeSessionId: string,
  ...actions: [DeskAction, ...(string | null)[]][]
): Promise<SeenAtDesk> {
  const program = programs.get(daemon.home) ?? startProgram(daemon);
  programs.set(daemon.home, program);
  return JSON.parse(await program(JSON.stringify({ id: claudeSessionId, actions }))) as SeenAtDesk;
}
