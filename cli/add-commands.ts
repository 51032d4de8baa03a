import { type Command, Option } from 'commander';
import { answerCommand } from './answer-command.js';
import { type CancelFlags, cancelCommand } from './cancel-command.js';
import { type ChatFlags, chatCommand, resumeCommand } from './chat-command.js';
import { type AskFlags, askCommand, type CommandContext, type Report } from './commands.js';
import {
  addUserCommand,
  devicesCommand,
  type PairFlags,
  type PasswordFlags,
  pairCommand,
  passwordCommand,
  removeUserCommand,
  revokeCommand,
  usersCommand,
} from './identity-commands.js';
import { openCommand } from './open-command.js';
import {
  clearQueueCommand,
  continueQueueCommand,
  type DirectoryFlags,
  editPromptCommand,
  holdQueueCommand,
  movePromptCommand,
  queueCommand,
} from './queue-commands.js';
import { type RewindFlags, rewindCommand } from './rewind-command.js';
import { backgroundCommand, stopTaskCommand, taskOutputCommand, tasksCommand } from './task-commands.js';
import { WAIT_GOALS, type WaitFlags, waitCommand } from './wait-command.js';
import { waitingCommand } from './waiting-command.js';
import { watchCommand } from './watch-command.js';

/** Adds a command with `--json`. `isDefault`: it runs when no other one of its parent is named. */
export type AddCommand = (
  parent: Command,
  usage: string,
  description: string,
  options?: { isDefault?: boolean },
) => Command;

export interface AddOptions {
  program: Command;
  execute: (run: (context: CommandContext) => Promise<Report>, flags: { json?: boolean }) => Promise<void>;
  add: AddCommand;
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
  addQueue(options);
  addTasks(options);
  add(program, 'rewind [promptId]', 'put files and conversation back to before a prompt')
    .option(...DIRECTORY)
    .option('--what <what>', 'files, conversation or both (default: both)')
    .option('--dry-run', 'only show what would change')
    .option('--yes', 'do not ask before it')
    .action((promptId: string | undefined, flags: RewindFlags & Json) =>
      execute((context) => rewindCommand(context, promptId, flags), flags),
    );
}

const DIRECTORY = ['--dir <directory>', 'the folder of the session (default: this one)'] as const;

function addQueue(options: AddOptions): void {
  const { program, execute, add } = options;
  const queue = program.command('queue').description('list, edit, reorder, clear and hold the prompts that wait');
  const ofSession = sessionCommands(options, queue);
  ofSession('list', 'list the prompts that wait, in running order', queueCommand);
  add(queue, 'edit <promptId> <text>', 'replace the text of a prompt; - reads it from stdin').action(
    (promptId: string, text: string, flags: Json) =>
      execute((context) => editPromptCommand(context, promptId, text), flags),
  );
  add(queue, 'move <promptId>', 'put a prompt last, or before another one')
    .option('--before <promptId>', 'the prompt that it goes before')
    .action((promptId: string, flags: { before?: string } & Json) =>
      execute((context) => movePromptCommand(context, promptId, flags), flags),
    );
  ofSession('clear', 'drop the prompts that wait; the one that runs goes on', clearQueueCommand);
  ofSession('hold', 'stop the turn, and start nothing that waits before "continue"', holdQueueCommand);
  ofSession('continue', 'let a held queue go on', continueQueueCommand);
}

type SessionCommand = (context: CommandContext, flags: DirectoryFlags) => Promise<Report>;
type TaskCommand = (context: CommandContext, taskId: string, flags: DirectoryFlags) => Promise<Report>;

/** Adds commands on the session of a folder. The one that lists runs when none is named. */
const sessionCommands =
  ({ execute, add }: AddOptions, parent: Command) =>
  (usage: string, description: string, run: SessionCommand): Command =>
    add(parent, usage, description, { isDefault: usage === 'list' })
      .option(...DIRECTORY)
      .action((flags: DirectoryFlags & Json) => execute((context) => run(context, flags), flags));

function addTasks(options: AddOptions): void {
  const { program, execute, add } = options;
  const tasks = program.command('tasks').description('list, read and stop what a session runs beside its turns');
  const ofSession = sessionCommands(options, tasks);
  const ofTask = (usage: string, description: string, run: TaskCommand) =>
    add(tasks, usage, description)
      .option(...DIRECTORY)
      .action((taskId: string, flags: DirectoryFlags & Json) =>
        execute((context) => run(context, taskId, flags), flags),
      );
  ofSession('list', 'list the tasks and scheduled prompts', tasksCommand);
  ofTask('output <taskId>', 'show the end of what a task has written', taskOutputCommand);
  ofTask('stop <taskId>', 'stop a task', stopTaskCommand);
  ofSession('background', 'move the tools that run in the turn to the background', backgroundCommand);
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
  add(program, 'wait [sessionId]', 'wait until a session is idle, waits for an answer, or has failed')
    .option(...DIRECTORY)
    .addOption(new Option('--until <state>', 'what to wait for').choices(WAIT_GOALS).default('idle'))
    .option('--timeout <seconds>', 'give up after this time')
    .action((sessionId: string | undefined, flags: WaitFlags & Json) =>
      execute((context) => waitCommand(context, sessionId, flags), flags),
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

const PASSWORD = ['--password-stdin', 'read the password from stdin'] as const;

/** `open`, `pair`, `users` and `devices`. */
export function addIdentityCommands({ program, execute, add }: AddOptions): void {
  add(program, 'open', 'open the console in the browser of this machine, paired').action((flags: Json) =>
    execute(openCommand, flags),
  );
  add(program, 'pair', 'show a QR code that pairs a phone')
    .option('--browser', 'a QR code that opens the console in the browser of a phone, instead of the app')
    .option('--user <email>', 'the person who gets the device (default: the owner)')
    .option('--scopes <scopes>', 'what it may do: read, prompt, approve, files, terminal, admin; separated by commas')
    .action((flags: PairFlags & Json) => execute((context) => pairCommand(context, flags), flags));
  const users = program.command('users').description('manage the people who may use this daemon');
  add(users, 'list', 'list all people').action((flags: Json) => execute(usersCommand, flags));
  add(users, 'add <email>', 'add a person')
    .option('--name <name>', 'the name to show')
    .option(...PASSWORD)
    .action((email: string, flags: PasswordFlags & Json) =>
      execute((context) => addUserCommand(context, email, flags), flags),
    );
  add(users, 'passwd <email>', 'change a password')
    .option(...PASSWORD)
    .action((email: string, flags: PasswordFlags & Json) =>
      execute((context) => passwordCommand(context, email, flags), flags),
    );
  add(users, 'remove <email>', 'remove a person, with their devices and sessions').action(
    (email: string, flags: Json) => execute((context) => removeUserCommand(context, email), flags),
  );
  const devices = program.command('devices').description('list devices, and revoke them');
  add(devices, 'list', 'list all people’s devices').action((flags: Json) => execute(devicesCommand, flags));
  add(devices, 'revoke <deviceId>', 'revoke a device; its credential stops working at once')
    .option('--user <email>', 'its owner, when several people have a device with this id')
    .action((deviceId: string, flags: { user?: string } & Json) =>
      execute((context) => revokeCommand(context, deviceId, flags), flags),
    );
}
