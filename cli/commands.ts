import { resolve } from 'node:path';
import * as z from 'zod';
import type { CommandHints } from '../config/command-hints.js';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine, plainText } from '../protocol/plain-text.js';
import { deliveriesSchema } from '../protocol/push.js';
import { healthSchema, sessionViewSchema } from '../protocol/rest.js';
import { usageLimitsSchema } from '../protocol/usage.js';
import { roundedDollars } from './amounts.js';
import { ask } from './ask.js';
import { askDaemon, findAnswer, type LocalRequest } from './local-daemon.js';
import { readPrompt } from './read-prompt.js';
import { readStanding, standingLines } from './status-lines.js';
import { pushTable, sessionTable } from './tables.js';
import type { TerminalIo } from './terminal-io.js';
import { accountInWords, usageMeter } from './usage-meter.js';

/** The result of a command: the document for `--json`, the text for a person, and the exit code. */
export interface Report {
  json: unknown;
  text: string;
  exitCode: number;
}

export interface CommandContext {
  /** `COMPANION_HOME`. */
  home: string;
  socketPath: string;
  io: TerminalIo;
  /** A program reads the output. */
  json: boolean;
  hints: CommandHints;
}

export const say = (json: unknown, text: string, exitCode = 0): Report => ({ json, text, exitCode });

export interface AskFlags {
  dir?: string;
  model?: string;
  new?: boolean;
  keepRemembered?: boolean;
  yes?: boolean;
}

/** The flags of a new conversation. Throws `INVALID_REQUEST` for one that has no effect without `--new`. */
export function newConversationOf({
  new: isNew = false,
  keepRemembered = false,
}: Pick<AskFlags, 'new' | 'keepRemembered'>) {
  if (keepRemembered && !isNew)
    throw new CompanionError(
      'INVALID_REQUEST',
      '--keep-remembered needs --new: a continued conversation always keeps its remembered answers.',
    );
  return { isNew, keepRemembered };
}

/** The answer itself is written to stdout as it arrives. */
export async function askCommand(context: CommandContext, prompt: string, flags: AskFlags): Promise<Report> {
  const { io, socketPath, hints, json: quiet } = context;
  const outcome = await ask({
    prompt: await readPrompt({ typed: prompt, io }),
    directory: resolve(flags.dir ?? '.'),
    ...newConversationOf(flags),
    yes: flags.yes ?? false,
    quiet,
    socketPath,
    io,
    hint: (command) => hints.companion(command),
    ...(flags.model !== undefined && { model: flags.model }),
  });
  const { sessionId, promptId, subtype, isError, result, cost, durationMs, interrupted } = outcome;
  const json = { sessionId, promptId, subtype, isError, result, cost: roundedDollars(cost), durationMs };
  if (!isError) return say(json, '');
  return interrupted ? say(json, endInWords(subtype), INTERRUPTED) : say(json, endInWords(subtype), 1);
}

/** The exit code after a person's Ctrl-C. */
const INTERRUPTED = 130;

function endInWords(subtype: string): string {
  if (subtype === 'interrupted') return 'The turn was interrupted.';
  if (subtype === 'cancelled') return 'The prompt was cancelled before it began.';
  if (subtype === 'usage_limit') return 'The usage limit of the account is reached.';
  return `The turn failed: ${plainLine(subtype, 60)}.`;
}

const sessionsSchema = z.object({ sessions: z.array(sessionViewSchema), total: z.int() });

export async function sessionsCommand(context: CommandContext): Promise<Report> {
  const answer = await get(context, '/api/sessions?limit=1000');
  const { sessions } = sessionsSchema.parse(answer);
  return say(answer, sessions.length === 0 ? 'No sessions.' : sessionTable(sessions, Date.now()));
}

export async function statusCommand(context: CommandContext): Promise<Report> {
  const answer = await get(context, '/health');
  const {
    status,
    version,
    uptime_seconds: uptime,
    active_sessions: active,
    checks,
    remedies = {},
  } = healthSchema.parse(answer);
  const standing = await readStanding(context.socketPath);
  const lines = [
    `${status}, version ${version}, up ${Math.round(uptime)} s, ${active} active sessions`,
    ...Object.entries(checks).map(([name, state = 'not checked']) => `  ${name}: ${plainLine(state, 200)}`),
    ...Object.values(remedies).map((remedy) => `  ${plainText(remedy)}`),
    ...(context.json ? [] : await usageLines(context)),
    ...standingLines(standing),
  ];
  return say({ ...(answer as object), ...standing }, lines.join('\n'), status === 'unhealthy' ? 1 : 0);
}

async function usageLines({ socketPath }: CommandContext): Promise<string[]> {
  const usage = await findAnswer({ socketPath, path: '/api/usage/limits' }, usageLimitsSchema);
  if (!usage) return [];
  return [...(usage.account ? [`  account: ${accountInWords(usage.account)}`] : []), ...usageMeter(usage)];
}

/** As many as a person reads. */
const MAX_SHOWN = 100;

export async function pushLogCommand(context: CommandContext): Promise<Report> {
  const answer = await get(context, `/api/push-notifications/deliveries?limit=${MAX_SHOWN}`);
  const { deliveries, total } = deliveriesSchema.parse(answer);
  if (deliveries.length === 0) return say(answer, 'No pushes.');
  const more = total > deliveries.length ? `\n… and ${total - deliveries.length} before` : '';
  return say(answer, pushTable(deliveries) + more);
}

export async function closeCommand(context: CommandContext, sessionId: string): Promise<Report> {
  const path = `/api/sessions/${encodeURIComponent(sessionId)}`;
  const answer = await askDaemon({ socketPath: context.socketPath, method: 'DELETE', path });
  return say(answer, `Closed ${plainLine(sessionId, 100)}.`);
}

export async function tokenCommand(context: CommandContext): Promise<Report> {
  const { token } = z.object({ token: z.string() }).parse(await post(context, { path: '/local/token' }));
  if (!context.json) context.io.stderr.write('A new access token. It replaces the one before, and is shown once:\n');
  return say({ token }, token);
}

export async function stopCommand(context: CommandContext, { all }: { all: boolean }): Promise<Report> {
  const answer = await post(context, { path: '/local/stop', body: { all } });
  const { children } = z.object({ children: z.int() }).parse(answer);
  return say(answer, `The daemon stops. ${whatOfChildren(children, all)}`);
}

function whatOfChildren(children: number, all: boolean): string {
  if (children === 0) return 'No Claude session was running.';
  const sessions = children === 1 ? '1 Claude session' : `${children} Claude sessions`;
  return all
    ? `${sessions} ended with it.`
    : `${sessions} ${children === 1 ? 'runs' : 'run'} on, and its next start continues with ${children === 1 ? 'it' : 'them'}.`;
}

export const get = ({ socketPath }: CommandContext, path: string) => askDaemon({ socketPath, method: 'GET', path });

export const post = ({ socketPath }: CommandContext, { path, body = {} }: Pick<LocalRequest, 'path' | 'body'>) =>
  askDaemon({ socketPath, method: 'POST', path, body });
