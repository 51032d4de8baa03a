/** Turns that ended because a limit was reached, and not because of an error. */
import type { EventData } from '../../protocol/events.js';

type Turn = Pick<EventData<'streamComplete'>, 'subtype' | 'isError' | 'finalResult'>;

/** Subtypes of the CLI. */
const LIMIT_SUBTYPES: ReadonlySet<string> = new Set(['error_max_turns', 'error_max_budget_usd']);

/** The prefixes of the CLI's messages about a used-up plan (list of 2.1.197 and 2.1.329). */
const USED_UP = [
  "You've hit your ",
  "You've reached your ",
  "You're out of ",
  'Your org is out of usage',
  "Your seat type doesn't include ",
  'Your usage allocation has been disabled',
  "Your group's usage limit is set to $0",
  'Claude AI usage limit reached',
];

/** A refusal of the API: 429, or an account without credit. Measured with 2.1.197 and 2.1.329. */
const REFUSED =
  /^(?:Credit balance (?:is )?too low|API Error: (?:429\b|Request rejected \(429\)|Server is temporarily limiting requests|.{0,80}reached your specified[\w\s-]{0,40}usage limits))/;

/** A plan does not include the model (2.1.197, 2.1.329). */
const NEEDS_CREDITS = /^[A-Z][\w .]{0,60} requires usage credits\b/;

/**
 * Whether a limit ended the turn. Claude's own words about limits do not count: only a failed turn's text is the CLI's.
 */
export function isLimit({ subtype, isError, finalResult }: Turn): boolean {
  if (LIMIT_SUBTYPES.has(subtype)) return true;
  if (!isError || (subtype !== 'api_error' && subtype !== 'success')) return false;
  const text = finalResult.trimStart().replaceAll('’', "'");
  return USED_UP.some((beginning) => text.startsWith(beginning)) || REFUSED.test(text) || NEEDS_CREDITS.test(text);
}

/** When it resets, in the CLI's own words ("3pm (Europe/Berlin)"); undefined where it does not say. */
export function resetOf({ finalResult }: Pick<Turn, 'finalResult'>): string | undefined {
  return /[·∙] resets ([\w ,:()/+-]{1,60})/.exec(finalResult)?.[1]?.trim();
}
