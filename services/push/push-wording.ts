/** The texts of notifications. The mode `state` includes no words of a person or of Claude, nor of any file. */

import type { EventData } from '../../protocol/events.js';
import { plainLine } from '../../protocol/plain-text.js';
import type { PushBody } from '../../protocol/push-preferences.js';
import type { Concern, ResultConcern, WaitingConcern } from './concerns.js';
import { resetOf } from './turn-limits.js';

/** In UTF-16 units: the part of a body that a lock screen shows. */
export const MAX_BODY = 178;
const MAX_TITLE = 60;
const MAX_NAME = 48;

export interface Wording {
  title: string;
  subtitle: string;
  body: string;
}

/** For one event. `project`: the name of the session's project. */
export function wordingOf(concern: Concern, { project, body }: { project: string; body: PushBody }): Wording {
  const { subtitle, state, text } = tell(concern);
  const said = body === 'full' && text !== undefined ? firstLine(text, MAX_BODY) : undefined;
  return { title: titleOf(project), subtitle, body: said ?? cutText(state, MAX_BODY) };
}

const titleOf = (project: string): string => cutText(plainLine(project) || 'Claude', MAX_TITLE);

const nameOf = (name: string): string => cutText(plainLine(name) || 'A tool', MAX_NAME);

interface Telling {
  subtitle: string;
  state: string;
  /** `full` shows its first line, where it has one. */
  text?: string | undefined;
}

function tell(concern: Concern): Telling {
  switch (concern.kind) {
    case 'permission': {
      const tool = nameOf(concern.request.toolName);
      const state = `${tool} waits for your permission.`;
      return { subtitle: `Permission: ${tool}`, state, text: subjectOf(concern) };
    }
    case 'question':
      return { subtitle: 'Question', state: 'Claude waits for your answer.', text: concern.request.prompt };
    case 'plan':
      return { subtitle: 'Plan ready', state: 'Claude waits for your word on its plan.', text: subjectOf(concern) };
    case 'turn_complete':
      return { subtitle: 'Done', state: `Claude has finished${after(concern.turn)}.`, text: concern.turn.finalResult };
    case 'turn_failed':
      return { ...failureOf(concern.turn), text: concern.turn.finalResult };
    case 'limit':
      return { subtitle: 'Limit reached', state: limitOf(concern.turn), text: concern.turn.finalResult };
    case 'given_up':
      return {
        subtitle: 'Failed: Claude does not run',
        state: 'No Claude could be kept running. Your next prompt tries again.',
        text: concern.message,
      };
  }
}

type Turn = EventData<'streamComplete'>;

/** The input fields that identify the subject: Claude's description of it can be wrong. */
const SUBJECTS = ['command', 'file_path', 'notebook_path', 'url', 'path', 'plan'] as const;

function subjectOf({ request }: WaitingConcern): string {
  const input = typeof request.toolInput === 'object' && request.toolInput !== null ? request.toolInput : {};
  const fields = new Map<string, unknown>(Object.entries(input));
  const found = SUBJECTS.map((name) => fields.get(name)).find((value) => typeof value === 'string' && plainLine(value));
  return typeof found === 'string' ? found : request.prompt;
}

const SECOND_MS = 1000;
const MINUTE_S = 60;

/** " after 3 min"; empty for a turn of negligible duration. */
function after({ duration }: Turn): string {
  const seconds = Math.round(duration / SECOND_MS);
  if (seconds < 1) return '';
  if (seconds < MINUTE_S) return ` after ${seconds} s`;
  const minutes = Math.round(seconds / MINUTE_S);
  if (minutes < MINUTE_S) return ` after ${minutes} min`;
  return ` after ${Math.floor(minutes / MINUTE_S)} h ${minutes % MINUTE_S} min`;
}

const FAILURES: ReadonlyMap<string, Telling> = new Map([
  ['api_error', { subtitle: 'Failed: API error', state: 'The API did not answer as it should.' }],
  ['child_exited', { subtitle: 'Failed: Claude ended', state: 'Claude ended in the middle of its turn.' }],
  ['storage_full', { subtitle: 'Failed: disk full', state: 'The disk is full: not all of the turn was kept.' }],
  [
    'error_max_structured_output_retries',
    { subtitle: 'Failed: no valid output', state: 'Claude did not find an answer of the form that was asked for.' },
  ],
]);

const failureOf = (turn: Turn): Telling =>
  FAILURES.get(turn.subtype) ?? { subtitle: 'Failed: error', state: `The turn ended with an error${after(turn)}.` };

function limitOf(turn: Turn): string {
  if (turn.subtype === 'error_max_turns') return `The turn has used up its steps${after(turn)}.`;
  if (turn.subtype === 'error_max_budget_usd') return `The turn has used up its budget${after(turn)}.`;
  const reset = resetOf(turn);
  return reset === undefined ? 'Claude takes no more for now.' : `Claude takes no more for now. It resets ${reset}.`;
}

type Decision = EventData<'permissionResolved'>['decision'];
const RESOLVED: Record<Decision, string> = {
  allow: 'It was allowed.',
  deny: 'It was denied.',
  expired: 'It cannot be answered any more.',
  cancelled: 'It is not asked any more.',
};

/** Replaces a resolved request where a notification can be replaced but not removed. */
export const withdrawalWording = (project: string, decision: Decision): Wording => ({
  title: titleOf(project),
  subtitle: decision === 'allow' || decision === 'deny' ? 'Answered' : 'No longer open',
  body: RESOLVED[decision],
});

export const securityWording = (deviceName: string): Wording => ({
  title: 'Claude Companion',
  subtitle: 'A device was signed out',
  body: cutText(`Somebody used an old credential of ${plainLine(deviceName)}. It has to be paired anew.`, MAX_BODY),
});

export const TEST_WORDING: Wording = {
  title: 'Claude Companion',
  subtitle: 'Test',
  body: 'Notifications reach this device.',
};

interface Told {
  concern: Pick<ResultConcern, 'kind'>;
  project: string;
}

const ENDS = ['Failed', 'Limit reached', 'Done'] as const;
type End = (typeof ENDS)[number];

const endOf = ({ concern: { kind } }: Told): End =>
  kind === 'turn_complete' ? 'Done' : kind === 'limit' ? 'Limit reached' : 'Failed';

const COUNTED: Record<End, string> = { Failed: 'failed', 'Limit reached': 'at a limit', Done: 'done' };

/** For two or more sessions with one result each. Failures come first. */
export function digestWording(results: readonly Told[]): Wording {
  const counts = ENDS.map((end) => ({ end, count: results.filter((result) => endOf(result) === end).length }));
  const some = counts.filter(({ count }) => count > 0);
  const [only] = some;
  return {
    title: `${results.length} sessions finished`,
    subtitle:
      some.length === 1 && only
        ? `All ${COUNTED[only.end]}`
        : some.map(({ end, count }) => `${count} ${COUNTED[end]}`).join(', '),
    body: namesOf(results),
  };
}

const MAX_NAMED = 30;

/** As many names as fit, and the number of the others. */
function namesOf(results: readonly Told[]): string {
  const sorted = ENDS.flatMap((end) => results.filter((result) => endOf(result) === end));
  for (let named = Math.min(sorted.length, MAX_NAMED); named > 1; named -= 1) {
    const text = listOf(sorted.slice(0, named), sorted.length - named);
    if (text.length <= MAX_BODY) return text;
  }
  return cutText(listOf(sorted.slice(0, 1), sorted.length - 1), MAX_BODY);
}

function listOf(named: readonly Told[], others: number): string {
  const groups = ENDS.map((end) => ({ end, names: named.filter((result) => endOf(result) === end) }))
    .filter(({ names }) => names.length > 0)
    .map(({ end, names }) => `${end}: ${names.map(({ project }) => nameOf(project)).join(', ')}`);
  return `${groups.join('. ')}${others > 0 ? ` and ${others} more` : ''}.`;
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const MORE = '…';

/**
 * At most `max` UTF-16 units, and so at most as many graphemes; a cut text ends with an ellipsis. Never splits a
 * grapheme.
 */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = 0;
  for (const { index, segment } of graphemes.segment(text)) {
    if (index + segment.length > max - MORE.length) break;
    end = index + segment.length;
  }
  return text.slice(0, end).trimEnd() + MORE;
}

/** The text can have any length: only this much of it is read. */
const MAX_LOOK = 4096;

/** The first line with content, at most `max` long; an ellipsis marks further text. Undefined without any content. */
export function firstLine(text: string, max: number): string | undefined {
  const lines = text
    .slice(0, MAX_LOOK)
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => plainLine(line))
    .filter((line) => line !== '');
  const [first] = lines;
  if (first === undefined) return undefined;
  const isAll = lines.length === 1 && text.length <= MAX_LOOK;
  return cutText(isAll || first.endsWith(MORE) ? first : `${first} ${MORE}`, max);
}
