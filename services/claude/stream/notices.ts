/**
 * Notices of the CLI for a person, besides Claude's answers. Seen with Claude Code 2.1.197 and 2.1.329 unless noted.
 */
import type { CliFact, CliNotice } from '../../ports/claude.js';
import { type CliRateLimit, type CliSystem, shownText } from './cli-lines.js';

/** A hint at a key of the CLI's own terminal. */
const KEY_HINT = / · ctrl\+\w to \w+$/;
/** A hook can print much besides its words. */
const MAX_HOOK_OUTPUT = 1024 * 1024;

const factsOf = (notice: Omit<CliNotice, 'message'>, message: string | undefined): CliFact[] =>
  message ? [{ kind: 'notice', notice: { ...notice, message } }] : [];

/** The text of a `system` line: by its subtype where known, else from the usual text field. */
export function systemNotice(line: CliSystem): CliFact[] {
  const warning = { kind: line.subtype ?? 'system', level: 'warning' } as const;
  switch (line.subtype ?? '') {
    case 'compact_boundary':
      return factsOf({ kind: 'compacted', level: 'info' }, compactedText(line));
    case 'hook_response':
      return hookNotices(line);
    case 'permission_denied':
      return factsOf(warning, deniedText(line));
    case 'session_writes_lost':
      return factsOf(
        warning,
        `The Claude CLI could not save all of this: ${line.lost?.join(', ') ?? 'its transcript'}.`,
      );
    case 'plugin_install':
    case 'mirror_error':
      return factsOf(warning, line.error && [line.name, line.error].filter(Boolean).join(': '));
    default:
      return factsOf(
        { ...warning, level: line.level === 'warning' ? 'warning' : 'info' },
        (line.content ?? line.text ?? line.message)?.replace(KEY_HINT, ''),
      );
  }
}

/** A tool was denied without a question: by a rule, a mode or the classifier. */
export const deniedText = ({ tool_name: name = 'A tool', decision_reason: reason, message }: CliSystem): string =>
  [`${name} was denied.`, reason ?? message].join(' ').trim();

function compactedText({
  compact_metadata: { trigger, pre_tokens: before, post_tokens: after } = {},
}: CliSystem): string {
  const how =
    trigger === 'auto' ? 'The conversation was compacted, since it had become long' : 'The conversation was compacted';
  return before === undefined || after === undefined ? `${how}.` : `${how}: ${before} tokens before, ${after} after.`;
}

/** The texts of their hooks do not arrive as `informational`; those of all others do. */
const SILENT_EVENTS: ReadonlySet<string | undefined> = new Set(['SessionStart', 'Setup', undefined]);

/** A hook addresses the person by the JSON that it prints. */
function hookNotices({ hook_event: event, hook_name: name = 'A hook', output = '' }: CliSystem): CliFact[] {
  if (!SILENT_EVENTS.has(event)) return [];
  const said = wordsOf(output.slice(0, MAX_HOOK_OUTPUT));
  return said.flatMap((words) => factsOf({ kind: 'hook', level: 'info' }, `${name} says: ${words}`));
}

function wordsOf(output: string): string[] {
  try {
    const { systemMessage, stopReason, reason } = JSON.parse(output) as Record<string, unknown>;
    return [systemMessage, stopReason, reason].flatMap((words) => shownText.safeParse(words).data ?? []);
  } catch {
    // Most hooks print something else, or nothing.
    return [];
  }
}

/** A hook that blocks the end of a turn: the CLI passes its reason to Claude as a message of the user's. */
const FEEDBACK = /^\w{1,64} hook feedback:\s/;

/** A text that the CLI sends to Claude in the person's place. */
export const hookFeedback = (text: string): CliFact[] =>
  FEEDBACK.test(text) ? factsOf({ kind: 'hook', level: 'info' }, shownText.safeParse(text).data) : [];

/** `/clear`, and other restarts of the conversation. */
export const CLEARED: CliNotice = {
  kind: 'cleared',
  level: 'info',
  message: 'The conversation was cleared: Claude begins anew.',
};

export const authNotice = (error: string | undefined): CliFact[] =>
  factsOf({ kind: 'auth_status', level: 'warning' }, error && `The login failed: ${error}`);

/** Subscriptions have limits; an API key has none. From the SDK's typings: never seen offline. */
export function limitNotice({ rate_limit_info: { status, resetsAt, rateLimitType: type } }: CliRateLimit): CliFact[] {
  if (status === undefined || status === 'allowed') return [];
  const until = resetsAt === undefined ? '' : ` until ${new Date(resetsAt * 1000).toISOString()}`;
  const which = type === undefined ? 'The usage limit' : `The usage limit (${type.replaceAll('_', ' ')})`;
  const what = status === 'rejected' ? `is reached${until}` : 'is near';
  return factsOf({ kind: 'rate_limit', level: 'warning' }, `${which} ${what}.`);
}
