import type { Command } from 'commander';
import { answerCommand } from './answer-command.js';
import { type CancelFlags, cancelCommand } from './cancel-command.js';
import { type ChatFlags, chatCommand, resumeCommand } from './chat-command.js';
import { type AskFlags, askCommand, type CommandContext, type Report } from './commands.js';
import { waitingCommand } from './waiting-command.js';
import { watchCommand } from './watch-command.js';

interface AddOptions {
  program: Command;
  execute: (run: (context: CommandContext) => Promise<Report>, flags: { json?: boolean }) => Promise<void>;
  /** Adds a command with `--json`. */
  add: (parent: Command, usage: string, description: string) => Command;
}

interface Json {
  json?: boolean;
}

/** The commands of a conversation: prompts, answers, and watching a session. */
export function addConversationCommands(options: AddOptions): void {
  const { program, execute, add } = options;
  withTurnFlags(add(program, 'ask <prompt>', 'ask Claude in the session of a folder, and show the answer as it comes'))
    .option('--dir <directory>', 'the folder to work in (default: this one)')
    .action((prompt: string, flags: AskFlags & Json) =>
      execute((context) => askCommand(context, prompt, flags), flags),
    );
  withTurnFlags(program.command('chat [directory]').description('hold a conversation, prompt by prompt')).action(
    (directory: string | undefined, flags: ChatFlags) =>
      execute((context) => chatCommand(context, directory, flags), {}),
  );
  withTurnFlags(
    program.command('resume').description('pick a session from a list and continue its conversation'),
  ).action((flags: ChatFlags) => execute((context) => resumeCommand(context, flags), {}));
  add(program, 'watch [directory]', 'show what happens in the session of a folder').action(
    (directory: string | undefined, flags: Json) => execute((context) => watchCommand(context, directory), flags),
  );
  addWaiting(options);
}

const withTurnFlags = (command: Command): Command =>
  command
    .option('--model <model>', 'the model to use')
    .option('--new', 'begin a new conversation')
    .option('--keep-remembered', 'with --new: go on without asking for what was remembered')
    .option('--yes', 'allow everything that Claude asks to do');

function addWaiting({ program, execute, add }: AddOptions): void {
  add(program, 'waiting', 'list requests that wait for an answer, and prompts that run or wait').action((flags: Json) =>
    execute(waitingCommand, flags),
  );
  add(program, 'answer [id] [answer...]', 'answer a request: allow, deny, always, an option or a text')
    .option('--message <message>', 'with deny: the reason for Claude')
    .action((id: string | undefined, rest: string[], flags: { message?: string } & Json) => {
      const words = id === undefined ? [] : [id, ...rest];
      const { message } = flags;
      return execute((context) => answerCommand(context, { words, ...(message !== undefined && { message }) }), flags);
    });
  add(program, 'cancel [promptId]', 'cancel a prompt that waits, or interrupt the one that runs')
    .option('--dir <directory>', 'without an id: the folder of the prompt (default: this one)')
    .option('--all', 'all prompts of the folder')
    .action((promptId: string | undefined, flags: CancelFlags & Json) =>
      execute((context) => cancelCommand(context, promptId, flags), flags),
    );
}
