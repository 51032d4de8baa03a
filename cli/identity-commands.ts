import * as z from 'zod';
import { devicesSchema, pairingSchema, peopleSchema } from '../protocol/auth.js';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine, plainText } from '../protocol/plain-text.js';
import { type CommandContext, get, post, type Report, say } from './commands.js';
import { askDaemon } from './local-daemon.js';
import { textTable } from './tables.js';
import type { TerminalInput } from './terminal-io.js';

export interface PairFlags {
  user?: string;
  /** As typed: separated by commas. */
  scopes?: string;
  browser?: boolean;
}

/** Opens a pairing, and shows its QR code. */
export async function pairCommand(context: CommandContext, { user, scopes, browser }: PairFlags): Promise<Report> {
  const body = {
    ...(user !== undefined && { user }),
    ...(scopes !== undefined && { scopes: scopes.split(/[\s,]+/).filter((scope) => scope !== '') }),
    ...(browser && { browser }),
  };
  const { qr, ...pairing } = pairingSchema.parse(await post(context, { path: '/local/pair', body }));
  const { url, code, expiresAt, note } = pairing;
  const warning = note === undefined ? '' : `\n\n${plainText(note)}`;
  return say(
    pairing,
    `${qr}\n${plainLine(url, 1000)}\n\nCode: ${plainLine(code, 64)}   valid until ${expiresAt}${warning}`,
  );
}

const HEADINGS = ['E-MAIL', 'NAME', 'ROLE', 'PASSWORD', 'DEVICES'];

export async function usersCommand(context: CommandContext): Promise<Report> {
  const answer = await get(context, '/local/users');
  const rows = peopleSchema
    .parse(answer)
    .users.map(({ email, name = '-', role, hasPassword, devices }) => [
      plainLine(email, 60),
      plainLine(name, 40),
      role,
      hasPassword ? 'yes' : 'no',
      String(devices),
    ]);
  return say(answer, textTable([HEADINGS, ...rows]));
}

export interface PasswordFlags {
  passwordStdin?: boolean;
  name?: string;
}

export async function addUserCommand(context: CommandContext, email: string, flags: PasswordFlags): Promise<Report> {
  const password = await readPassword(context, flags);
  const { name } = flags;
  const body = { email, password, ...(name !== undefined && { name }) };
  const answer = await post(context, { path: '/local/users', body });
  return say(answer, `Added ${plainLine(email, 100)}.`);
}

export async function passwordCommand(context: CommandContext, email: string, flags: PasswordFlags): Promise<Report> {
  const body = { password: await readPassword(context, flags) };
  const { socketPath } = context;
  const answer = await askDaemon({ socketPath, method: 'PATCH', path: pathOf('users', email), body });
  return say(answer, `The password of ${plainLine(email, 100)} is changed. Devices that are paired stay paired.`);
}

export async function removeUserCommand(context: CommandContext, email: string): Promise<Report> {
  const { socketPath } = context;
  const answer = await askDaemon({ socketPath, method: 'DELETE', path: pathOf('users', email) });
  const { sessions } = z.object({ sessions: z.int() }).parse(answer);
  return say(answer, `Removed ${plainLine(email, 100)}, their devices and ${sessions} sessions.`);
}

const DEVICE_HEADINGS = ['DEVICE', 'NAME', 'PLATFORM', 'PERSON', 'CREDENTIAL', 'LAST SEEN'];

export async function devicesCommand(context: CommandContext): Promise<Report> {
  const answer = await get(context, '/local/devices');
  const { devices } = devicesSchema.parse(answer);
  if (devices.length === 0) return say(answer, 'No devices.');
  const rows = devices.map(({ id, name = '-', platform = '-', user = '-', paired, revoked, lastSeenAt = '-' }) => [
    plainLine(id, 64),
    plainLine(name, 40),
    plainLine(platform, 32),
    plainLine(user, 60),
    revoked ? plainLine(`invalid: ${revoked.reason}`, 60) : paired ? 'its own' : 'none of its own',
    lastSeenAt,
  ]);
  return say(answer, textTable([DEVICE_HEADINGS, ...rows]));
}

export async function revokeCommand(
  context: CommandContext,
  deviceId: string,
  { user }: { user?: string },
): Promise<Report> {
  const query = user === undefined ? '' : `?${new URLSearchParams({ user }).toString()}`;
  const path = `${pathOf('devices', deviceId)}${query}`;
  const answer = await askDaemon({ socketPath: context.socketPath, method: 'DELETE', path });
  return say(answer, `Revoked ${plainLine(deviceId, 64)}.`);
}

const pathOf = (what: 'users' | 'devices', name: string): string => `/local/${what}/${encodeURIComponent(name)}`;

/** Never from the command line, which every user of the machine can read. */
async function readPassword({ io }: CommandContext, { passwordStdin }: PasswordFlags): Promise<string> {
  const suggestion = 'Give it on stdin: printf %s "$PASSWORD" | npm run companion -- users … --password-stdin';
  const wanted = 'A password is needed.';
  if (!passwordStdin) throw new CompanionError('INVALID_REQUEST', wanted, { field: 'password', suggestion });
  const password = await readLine(io.stdin);
  if (password === undefined) throw new CompanionError('INVALID_REQUEST', wanted, { field: 'password', suggestion });
  return password;
}

/** The first line of stdin, without its end; undefined without any input. */
function readLine(stdin: TerminalInput): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const text = () => Buffer.concat(chunks).toString('utf8');
    const finish = (line: string) => {
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.pause();
      resolve(line === '' ? undefined : line);
    };
    const onData = (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      if (text().includes('\n')) finish(text().split(/\r?\n/)[0] ?? '');
    };
    const onEnd = () => finish(text());
    stdin.on('data', onData);
    stdin.on('end', onEnd);
    stdin.resume();
  });
}
