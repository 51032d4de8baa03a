import type { Command } from 'commander';
import type { CommandContext, Report } from './commands.js';
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

interface AddOptions {
  program: Command;
  execute: (run: (context: CommandContext) => Promise<Report>, flags: { json?: boolean }) => Promise<void>;
  /** Adds a command with `--json`. */
  add: (parent: Command, usage: string, description: string) => Command;
}

interface Json {
  json?: boolean;
}

const PASSWORD = ['--password-stdin', 'read the password from stdin'] as const;

/** `pair`, `users` and `devices`. */
export function addIdentityCommands({ program, execute, add }: AddOptions): void {
  add(program, 'pair', 'show a QR code that pairs a phone')
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
