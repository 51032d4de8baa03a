/** Whether a turn ended because a quota was used up. */
import type { EventData } from '../../protocol/events.js';

type Turn = Pick<EventData<'streamComplete'>, 'subtype' | 'isError' | 'finalResult'>;
type Ended = Pick<EventData<'streamComplete'>, 'finalResult' | 'resetsAt'>;

/** The subtype of a turn that ended because the quota of its account is used up. */
export const USAGE_LIMIT = 'usage_limit';

/** The last two are subtypes of the CLI. */
const LIMIT_SUBTYPES: ReadonlySet<string> = new Set([USAGE_LIMIT, 'error_max_turns', 'error_max_budget_usd']);

/** The prefixes of the CLI's messages about a used-up plan (list of 2.1.197, 2.1.329 and 2.1.332). */
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

/** An account without credit, or at the limit that it has set itself. Measured with 2.1.197 and 2.1.329. */
const SPENT = /^(?:Credit balance (?:is )?too low|API Error: .{0,80}reached your specified[\w\s-]{0,40}usage limits)/;

/** A plan does not include the model (2.1.197, 2.1.329). */
const NEEDS_CREDITS = /^[A-Z][\w .]{0,60} requires usage credits\b/;

/** A refusal of the API for now. It can be about the pace of requests alone. Measured with 2.1.197 and 2.1.329. */
const REFUSED = /^API Error: (?:429\b|Request rejected \(429\)|Server is temporarily limiting requests)/;

const plainly = (text: string): string => text.trimStart().replaceAll('’', "'");

/** Whether the CLI says in the result of a failed turn that a quota is used up. */
export function saysUsedUp(result: string): boolean {
  const text = plainly(result);
  return USED_UP.some((beginning) => text.startsWith(beginning)) || SPENT.test(text) || NEEDS_CREDITS.test(text);
}

/**
 * Whether a limit ended the turn. Claude's own words about limits do not count: only a failed turn's text is the CLI's.
 * The text also decides on turns that older daemons recorded without `usage_limit`.
 */
export function isLimit({ subtype, isError, finalResult }: Turn): boolean {
  if (LIMIT_SUBTYPES.has(subtype)) return true;
  if (!isError || (subtype !== 'api_error' && subtype !== 'success')) return false;
  return saysUsedUp(finalResult) || REFUSED.test(plainly(finalResult));
}

/** When it resets: in the CLI's own words ("3pm (Europe/Berlin)"), else in UTC; undefined where it is not known. */
export function resetOf({ finalResult, resetsAt }: Ended): string | undefined {
  const words = /[·∙] resets ([\w ,:()/+-]{1,60})/.exec(finalResult)?.[1]?.trim();
  return words ?? (resetsAt && `${resetsAt.slice(0, MINUTES).replace('T', ' ')} UTC`);
}

/** Of an ISO time, without seconds. */
const MINUTES = 16;
