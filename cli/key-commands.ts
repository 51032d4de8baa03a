import type { Command } from 'commander';
import { CompanionError } from '../protocol/error-codes.js';
import { addedKeySchema, keysSchema } from '../protocol/keys.js';
import { plainLine } from '../protocol/plain-text.js';
import type { AddOptions } from './add-commands.js';
import { type CommandContext, get, post, type Report, say } from './commands.js';
import { askDaemon } from './local-daemon.js';
import { textTable } from './tables.js';

interface KeyFlags {
  /** As typed: separated by commas. */
  scopes?: string;
  user?: string;
  /** `prompts=10,reads=100`. */
  limits?: string;
  expires?: string;
}

/** `keys`: the credentials of scripts. */
export function addKeyCommands({ program, execute, add }: AddOptions): void {
  const keys: Command = program.command('keys').description('manage the keys of scripts');
  add(keys, 'list', 'list all people’s keys', { isDefault: true }).action((flags: { json?: boolean }) =>
    execute(listKeys, flags),
  );
  add(keys, 'add <name>', 'make a key, which is shown once')
    .option('--scopes <scopes>', 'what it may do, separated by commas (default: read,prompt)')
    .option('--limits <limits>', 'its own limits, for example prompts=10,reads=100,sessions=3')
    .option('--expires <date>', 'when it becomes invalid (default: never)')
    .option('--user <email>', 'the person whose key it is (default: the owner)')
    .action((name: string, flags: KeyFlags & { json?: boolean }) =>
      execute((context) => addKey(context, name, flags), flags),
    );
  add(keys, 'revoke <id>', 'revoke a key; it stops working at once').action((id: string, flags: { json?: boolean }) =>
    execute((context) => revokeKey(context, id), flags),
  );
}

const HEADINGS = ['ID', 'NAME', 'PERSON', 'SCOPES', 'LIMITS', 'EXPIRES', 'LAST USED'];

async function listKeys(context: CommandContext): Promise<Report> {
  const answer = await get(context, '/local/keys');
  const { keys } = keysSchema.parse(answer);
  if (keys.length === 0) return say(answer, 'No keys.');
  const rows = keys.map(({ id, name, user = '-', scopes, limits = {}, expiresAt = 'never', lastUsedAt = '-' }) => [
    id,
    plainLine(name, 40),
    plainLine(user, 60),
    scopes.join(','),
    Object.entries(limits)
      .map(([kind, limit]) => `${kind}=${limit}`)
      .join(',') || '-',
    expiresAt,
    lastUsedAt,
  ]);
  return say(answer, textTable([HEADINGS, ...rows]));
}

async function addKey(context: CommandContext, name: string, flags: KeyFlags): Promise<Report> {
  const { scopes = 'read,prompt', user, limits, expires } = flags;
  const body = {
    name,
    scopes: scopes.split(/[\s,]+/).filter((scope) => scope !== ''),
    ...(user !== undefined && { user }),
    ...(limits !== undefined && { limits: limitsOf(limits) }),
    ...(expires !== undefined && { expiresAt: dateOf(expires) }),
  };
  const added = addedKeySchema.parse(await post(context, { path: '/local/keys', body }));
  if (!context.json) context.io.stderr.write(`The key ${plainLine(name, 100)} (${added.id}). It is shown once:\n`);
  return say(added, added.key);
}

async function revokeKey({ socketPath }: CommandContext, id: string): Promise<Report> {
  const answer = await askDaemon({ socketPath, method: 'DELETE', path: `/local/keys/${encodeURIComponent(id)}` });
  return say(answer, `Revoked ${plainLine(id, 64)}.`);
}

/** The daemon checks names and numbers. */
const limitsOf = (text: string): Record<string, number> =>
  Object.fromEntries(
    text.split(',').map((one) => {
      const [kind = '', limit = ''] = one.split('=');
      return [kind.trim(), Number(limit)];
    }),
  );

function dateOf(text: string): string {
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  const rule = 'must be a date, such as 2027-01-31';
  throw new CompanionError('INVALID_REQUEST', `expires: ${rule}`, { field: 'expires', rule });
}
