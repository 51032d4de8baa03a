import { Command, type CommanderError } from 'commander';
import { commandHints } from '../config/command-hints.js';
import { loadHome } from '../config/load-config.js';
import { checkSocketFolder, localSocketPath } from '../config/local-socket-path.js';
import { VERSION } from '../config/version.js';
import { CompanionError } from '../protocol/error-codes.js';
import { plainText } from '../protocol/plain-text.js';
import { type AddCommand, addConversationCommands, addIdentityCommands } from './add-commands.js';
import { InterruptedError, NoDaemonError, startAdvice } from './cli-errors.js';
import {
  type CommandContext,
  closeCommand,
  pushLogCommand,
  type Report,
  sessionsCommand,
  statusCommand,
  stopCommand,
  tokenCommand,
} from './commands.js';
import { doctorCommand } from './doctor.js';
import { addKeyCommands } from './key-commands.js';
import { addMcpCommand } from './mcp-command.js';
import { addSearchCommand } from './search-command.js';
import type { TerminalIo } from './terminal-io.js';

interface RunCliOptions {
  /** Without the names of the interpreter and the program. */
  args: readonly string[];
  io: TerminalIo;
  /** `COMPANION_HOME` by default. */
  home?: string;
  /** The program was started by its own name, and not by npm. */
  linked?: boolean;
}

/**
 * Runs one command. Resolves with the exit code: 0 for success, 1 when the command or its turn failed, 2 when no daemon
 * answers, 128 + n after signal n. With `--json` stdout gets exactly one JSON document, also for a failure.
 */
export async function runCli({ args, io, home: givenHome, linked = false }: RunCliOptions): Promise<number> {
  let exitCode = 0;
  const execute: Execute = async (run, { json = false }) => {
    const report = await runIn({ io, json, linked, givenHome }, run);
    exitCode = report.exitCode;
    show(report, { io, json });
  };
  try {
    await createProgram(execute, io).parseAsync([...args], { from: 'user' });
  } catch (error) {
    // Commander has reported the wrong arguments, or has shown the requested help.
    const { code, message, exitCode: wrong = 1 } = error as Partial<CommanderError>;
    if (code === 'commander.unknownOption' && DASHED_ID.test(message ?? ''))
      io.stderr.write('Write an id that begins with a dash last, after --.\n');
    return wrong;
  }
  return exitCode;
}

/** Ids of an older daemon can begin with a dash. */
const DASHED_ID = /'-[\w-]{20}'/;

interface RunOptions {
  io: TerminalIo;
  json: boolean;
  linked: boolean;
  givenHome: string | undefined;
}

async function runIn(
  { io, json, linked, givenHome }: RunOptions,
  run: (context: CommandContext) => Promise<Report>,
): Promise<Report> {
  try {
    const home = givenHome ?? loadHome();
    const hints = commandHints(home, { linked });
    const socketPath = localSocketPath(home);
    checkSocketFolder(socketPath);
    return await run({ home, socketPath, io, json, hints }).catch((error: unknown) =>
      failureOf(error, () => startAdvice(home, hints)),
    );
  } catch (error) {
    return failureOf(error);
  }
}

type Execute = (run: (context: CommandContext) => Promise<Report>, flags: { json?: boolean }) => Promise<void>;

const JSON_FLAG = ['--json', 'print one JSON document on stdout'] as const;

function createProgram(execute: Execute, { stdout, stderr }: TerminalIo): Command {
  const program = new Command('claude-companion').description('Speaks to the daemon on this machine.').version(VERSION);
  // Commands inherit these when they are added.
  program.exitOverride();
  program.configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
  addConversationCommands({ program, execute, add: addCommand });
  const add = (usage: string, description: string) => addCommand(program, usage, description);
  addIdentityCommands({ program, execute, add: addCommand });
  addKeyCommands({ program, execute, add: addCommand });
  addMcpCommand({ program, execute, add: addCommand });
  add('sessions', 'list the sessions').action((flags) => execute(sessionsCommand, flags));
  addSearchCommand({ program, execute, add: addCommand });
  add('status', 'show the state of the daemon').action((flags) => execute(statusCommand, flags));
  add('doctor', 'find problems and show their remedies').action((flags) => execute(doctorCommand, flags));
  add('close <sessionId>', 'end the CLI of a session and keep its record').action((sessionId: string, flags) =>
    execute((context) => closeCommand(context, sessionId), flags),
  );
  program
    .command('push')
    .description('show pushes')
    .command('log')
    .description('list recent pushes, newest first, with the outcome of each')
    .option(...JSON_FLAG)
    .action((flags) => execute(pushLogCommand, flags));
  add('token', 'make a new access token; the previous one stops working').action((flags) =>
    execute(tokenCommand, flags),
  );
  add('stop', 'stop the daemon; running Claude sessions keep running')
    .option('--all', 'end the Claude sessions as well')
    .action((flags: { json?: boolean; all?: boolean }) =>
      execute((context) => stopCommand(context, { all: flags.all ?? false }), flags),
    );
  return program;
}

const addCommand: AddCommand = (parent, usage, description, options = {}) =>
  parent
    .command(usage, options)
    .description(description)
    .option(...JSON_FLAG);

function show({ json, text, exitCode }: Report, { io, json: wantsJson }: { io: TerminalIo; json: boolean }): void {
  if (wantsJson) io.stdout.write(`${plainJson(json)}\n`);
  else if (text !== '') (exitCode > 0 ? io.stderr : io.stdout).write(`${text}\n`);
}

/** `advice`: the remedy where no daemon answers. */
function failureOf(error: unknown, advice: () => string = () => ''): Report {
  const message = error instanceof Error ? error.message : String(error);
  const { code, exitCode } = classify(error);
  const details = error instanceof NoDaemonError ? { suggestion: advice() } : detailsOf(error);
  const suggestion = details?.suggestion === undefined ? '' : `\n${details.suggestion}`;
  const json = { error: { code, message, ...(details && { details }) } };
  return { json, text: plainText(`${message}${suggestion}`), exitCode };
}

const detailsOf = (error: unknown) => (error instanceof CompanionError ? error.details : undefined);

function classify(error: unknown): { code: string; exitCode: number } {
  if (error instanceof NoDaemonError) return { code: 'NO_DAEMON', exitCode: 2 };
  if (error instanceof InterruptedError) return { code: 'INTERRUPTED', exitCode: error.exitCode };
  return { code: error instanceof CompanionError ? error.code : 'INTERNAL_ERROR', exitCode: 1 };
}

/** JSON on one line with all terminal control characters escaped. */
export const plainJson = (value: unknown): string => {
  const text = JSON.stringify(value);
  return plainText(text) === text ? text : Array.from(text, escaped).join('');
};

/** `JSON.stringify` itself escapes lone surrogates. */
function escaped(character: string): string {
  if (plainText(character) === character) return character;
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
