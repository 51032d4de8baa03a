/**
 * Composes the messages that senders deliver to devices: their texts, collapse ids and action tokens. The mode `state`
 * includes no words of a person or of Claude, nor of any file.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { EventData } from '../../../protocol/events.js';
import { plainLine } from '../../../protocol/plain-text.js';
import type { PushBody } from '../../../protocol/push-preferences.js';
import { type SessionId, utf8Length } from '../../../protocol/scalars.js';
import { resetOf } from '../../model/usage-limits.js';
import type { PushRecord } from '../../ports/outbox.js';
import type { PushMessage, PushWords } from '../../ports/push.js';
import { type Concern, isSpent, isWaiting, type ResultConcern, type WaitingConcern } from '../policy/concerns.js';
import type { OwedResult } from '../policy/plan-digest.js';

/** The metadata of a message. */
export interface Envelope {
  pushId: string;
  badge: number;
  /** Epoch milliseconds. */
  expiresAt: number;
}

const WITHOUT_SESSION = { sessionId: undefined, seq: undefined } as const;

/** In total, in bytes. An answer must match one of them exactly, so they are not cut but omitted as a whole. */
const MAX_OPTIONS_BYTES = 1024;

/**
 * The answers that a notification can give. It does not show what "always" remembers or what else a plan may do, so
 * these are not offered there; a question can have such an option. What must be opened can only be denied.
 */
export function notifiedOptions({ request }: WaitingConcern): readonly string[] {
  const { kind, options, oneTap } = request;
  if (oneTap === false) return ['deny'];
  return kind === 'question' ? options : ['allow', 'deny'];
}

function optionsOf(concern: WaitingConcern): readonly string[] {
  const { oneTap, options } = concern.request;
  if (oneTap === false) return notifiedOptions(concern);
  return options.reduce((sum, option) => sum + utf8Length(option), 0) <= MAX_OPTIONS_BYTES ? options : [];
}

/** For one event. The sender's caller adds tokens for its actions. */
export function composePush(
  concern: Concern,
  words: { project: string; body: PushBody },
  envelope: Envelope,
): PushMessage {
  const { kind, sessionId, seq } = concern;
  return {
    ...envelope,
    kind,
    sessionId,
    seq,
    ...wordingOf(concern, words),
    ...(isWaiting(concern) && { permissionId: concern.request.permissionId, options: optionsOf(concern) }),
    collapseId: collapseIdOf(concern),
  };
}

/** For two results or more, of different sessions. */
export const composeDigest = (results: readonly OwedResult[], envelope: Envelope): PushMessage => ({
  ...envelope,
  ...WITHOUT_SESSION,
  kind: 'digest',
  ...digestWording(results),
  collapseId: DIGEST_COLLAPSE_ID,
});

export interface Resolved {
  concern: WaitingConcern;
  project: string;
  decision: EventData<'permissionResolved'>['decision'];
}

/** Replaces the push about the request. */
export const composeWithdrawal = ({ concern, project, decision }: Resolved, envelope: Envelope): PushMessage => ({
  ...envelope,
  kind: 'withdrawal',
  sessionId: concern.sessionId,
  seq: concern.seq,
  ...withdrawalWording(project, decision),
  permissionId: concern.request.permissionId,
  collapseId: collapseIdOf(concern),
});

export const composeSecurity = (deviceName: string, envelope: Envelope): PushMessage => ({
  ...envelope,
  ...WITHOUT_SESSION,
  kind: 'security',
  ...securityWording(deviceName),
  collapseId: SECURITY_COLLAPSE_ID,
});

export const composeWebhook = (about: { webhookId: string; name: string }, envelope: Envelope): PushMessage => ({
  ...envelope,
  ...WITHOUT_SESSION,
  kind: 'webhook',
  ...webhookWording(about.name),
  collapseId: webhookCollapseId(about.webhookId),
});

export const composeTest = (envelope: Envelope): PushMessage => ({
  ...envelope,
  ...WITHOUT_SESSION,
  kind: 'test',
  ...TEST_WORDING,
  collapseId: TEST_COLLAPSE_ID,
});

/** In UTF-16 units: the part of a body that a lock screen shows. */
export const MAX_BODY = 178;
const MAX_TITLE = 60;
const MAX_NAME = 48;

export interface Wording {
  title: string;
  subtitle: string;
  body: string;
  /** For devices that say it in another language. */
  words: PushWords;
}

/** For one event. `project`: the name of the session's project. */
export function wordingOf(concern: Concern, { project, body }: { project: string; body: PushBody }): Wording {
  const { name, values = {}, subtitle, state, text } = tell(concern);
  const said = body === 'full' && text !== undefined ? firstLine(text, MAX_BODY) : undefined;
  const words = { name, values, isQuoted: said !== undefined };
  return { title: titleOf(project), subtitle, body: said ?? cutText(state, MAX_BODY), words };
}

const titleOf = (project: string): string => cutText(plainLine(project) || 'Claude', MAX_TITLE);

const nameOf = (name: string): string => cutText(plainLine(name) || 'A tool', MAX_NAME);

interface Telling {
  name: string;
  values?: PushWords['values'];
  subtitle: string;
  state: string;
  /** `full` shows its first line, where it has one. */
  text?: string | undefined;
}

const GIVEN_UP: Telling = {
  name: 'given_up',
  subtitle: 'Failed: Claude does not run',
  state: 'No Claude could be kept running. Your next prompt tries again.',
};

function tell(concern: Concern): Telling {
  switch (concern.kind) {
    case 'permission': {
      const tool = nameOf(concern.request.toolName);
      const state = `${tool} waits for your permission.`;
      return {
        name: 'permission',
        values: { tool },
        subtitle: `Permission: ${tool}`,
        state,
        text: subjectOf(concern),
      };
    }
    case 'question':
      return {
        name: 'question',
        subtitle: 'Question',
        state: 'Claude waits for your answer.',
        text: concern.request.prompt,
      };
    case 'plan':
      return {
        name: 'plan',
        subtitle: 'Plan ready',
        state: 'Claude waits for your word on its plan.',
        text: subjectOf(concern),
      };
    case 'turn_complete':
      return {
        name: 'done',
        values: { seconds: secondsOf(concern.turn) },
        subtitle: 'Done',
        state: `Claude has finished${after(concern.turn)}.`,
        text: concern.turn.finalResult,
      };
    case 'turn_failed':
      return { ...failureOf(concern.turn), text: concern.turn.finalResult };
    case 'limit':
      return { ...limitOf(concern.turn), subtitle: 'Limit reached', text: concern.turn.finalResult };
    case 'given_up':
      return { ...GIVEN_UP, text: concern.message };
    case 'budget':
      return budgetOf(concern.budget);
  }
}

/** No words of anybody: amounts and periods. */
function budgetOf({ state, used, limit, unit, period, of, stops }: EventData<'budget'>): Telling {
  const amount =
    unit === 'tokens' ? `${grouped(used)} of ${grouped(limit)} tokens` : `$${used.toFixed(2)} of $${limit.toFixed(2)}`;
  const when = { day: ' today', week: ' this week', always: '' }[period];
  const whose = of === 'person' ? 'All sessions have' : 'The session has';
  const refusal = stops && state === 'exceeded' ? ' Prompts are refused.' : '';
  return {
    name: `budget_${state}`,
    values: { used, limit, unit, period, of, stops: Number(stops) },
    subtitle: state === 'exceeded' ? 'Budget used up' : 'Budget nearly used up',
    state: `${whose} used ${amount}${when}.${refusal}`,
  };
}

const grouped = (count: number): string => count.toLocaleString('en');

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

const secondsOf = ({ duration }: Turn): number => Math.round(duration / SECOND_MS);

/** " after 3 min"; empty for a turn of negligible duration. */
function after(turn: Turn): string {
  const seconds = secondsOf(turn);
  if (seconds < 1) return '';
  if (seconds < MINUTE_S) return ` after ${seconds} s`;
  const minutes = Math.round(seconds / MINUTE_S);
  if (minutes < MINUTE_S) return ` after ${minutes} min`;
  return ` after ${Math.floor(minutes / MINUTE_S)} h ${minutes % MINUTE_S} min`;
}

const FAILURES: ReadonlyMap<string, Telling> = new Map([
  ['api_error', { name: 'failed_api', subtitle: 'Failed: API error', state: 'The API did not answer as it should.' }],
  [
    'child_exited',
    { name: 'failed_claude', subtitle: 'Failed: Claude ended', state: 'Claude ended in the middle of its turn.' },
  ],
  [
    'storage_full',
    { name: 'failed_disk', subtitle: 'Failed: disk full', state: 'The disk is full: not all of the turn was kept.' },
  ],
  [
    'error_max_structured_output_retries',
    {
      name: 'failed_output',
      subtitle: 'Failed: no valid output',
      state: 'Claude did not find an answer of the form that was asked for.',
    },
  ],
]);

const failureOf = (turn: Turn): Telling =>
  FAILURES.get(turn.subtype) ?? {
    name: 'failed',
    values: { seconds: secondsOf(turn) },
    subtitle: 'Failed: error',
    state: `The turn ended with an error${after(turn)}.`,
  };

function limitOf(turn: Turn): Pick<Telling, 'name' | 'values' | 'state'> {
  const values = { seconds: secondsOf(turn) };
  if (turn.subtype === 'error_max_turns')
    return { name: 'limit_steps', values, state: `The turn has used up its steps${after(turn)}.` };
  if (turn.subtype === 'error_max_budget_usd')
    return { name: 'limit_budget', values, state: `The turn has used up its budget${after(turn)}.` };
  const reset = resetOf(turn);
  if (reset === undefined) return { name: 'limit', state: 'Claude takes no more for now.' };
  return { name: 'limit_reset', values: { reset }, state: `Claude takes no more for now. It resets ${reset}.` };
}

type Decision = EventData<'permissionResolved'>['decision'];
const RESOLVED: Record<Decision, string> = {
  allow: 'It was allowed.',
  deny: 'It was denied.',
  expired: 'It cannot be answered any more.',
  cancelled: 'It is not asked any more.',
};

/** Replaces a resolved request where a notification can be replaced but not removed. */
const withdrawalWording = (project: string, decision: Decision): Omit<Wording, 'words'> => ({
  title: titleOf(project),
  subtitle: decision === 'allow' || decision === 'deny' ? 'Answered' : 'No longer open',
  body: RESOLVED[decision],
});

const securityWording = (deviceName: string): Wording => ({
  title: 'Claude Companion',
  subtitle: 'A device was signed out',
  body: cutText(`Somebody used an old credential of ${plainLine(deviceName)}. It has to be paired anew.`, MAX_BODY),
  words: { name: 'security', values: { device: nameOf(deviceName) }, isQuoted: false },
});

const webhookWording = (name: string): Wording => ({
  title: 'Claude Companion',
  subtitle: 'A webhook was disabled',
  body: cutText(`Nothing arrives at ${plainLine(name)} any more. Enable the webhook again when it does.`, MAX_BODY),
  words: { name: 'webhook', values: { webhook: cutText(plainLine(name), MAX_BODY) }, isQuoted: false },
});

const TEST_WORDING: Wording = {
  title: 'Claude Companion',
  subtitle: 'Test',
  body: 'Notifications reach this device.',
  words: { name: 'test', values: {}, isQuoted: false },
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

const DIGEST_VALUES: Record<End, string> = { Failed: 'failed', 'Limit reached': 'limited', Done: 'done' };

/** For two or more sessions with one result each. Failures come first. */
export function digestWording(results: readonly Told[]): Wording {
  const counts = ENDS.map((end) => ({ end, count: results.filter((result) => endOf(result) === end).length }));
  const some = counts.filter(({ count }) => count > 0);
  const [only] = some;
  const values = Object.fromEntries(counts.map(({ end, count }) => [DIGEST_VALUES[end], count]));
  const names = results.map(({ project }) => nameOf(project)).join(', ');
  return {
    words: {
      name: 'digest',
      values: { ...values, count: results.length, names: cutText(names, MAX_BODY) },
      isQuoted: false,
    },
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

/** The smallest limit of the services, in bytes: Apple's `apns-collapse-id`. */
const MAX_BYTES = 64;

/** The ids are sent in headers. */
const isPlain = (id: string): boolean => id.length <= MAX_BYTES && /^[\x21-\x7e]+$/.test(id);

function idOf(kind: 'ask' | 'turn' | 'budget' | 'webhook', ...parts: string[]): string {
  const id = [kind, ...parts].join('.');
  if (isPlain(id)) return id;
  // Ids of requests come from the CLI, and can have any length.
  return `${kind}.${createHash('sha256').update(JSON.stringify(parts)).digest('base64url')}`;
}

/**
 * A newer push replaces an older one with the same id on the device. One for each request and each budget, and one for all
 * results of a session. At most 64 bytes of printable ASCII.
 */
export function collapseIdOf(concern: Concern): string {
  const { sessionId } = concern;
  if (isWaiting(concern)) return idOf('ask', sessionId, concern.request.permissionId);
  return isSpent(concern) ? idOf('budget', sessionId, concern.budget.budgetId) : idOf('turn', sessionId);
}

export const DIGEST_COLLAPSE_ID = 'digest';
export const TEST_COLLAPSE_ID = 'test';
export const SECURITY_COLLAPSE_ID = 'security';
export const webhookCollapseId = (webhookId: string): string => idOf('webhook', webhookId);

const TOKEN_BYTES = 32;
/** For a push that another daemon sends again: the buttons of the earlier one also work. */
const MAX_DIGESTS = 4;
/** A notification has no space for more. */
const MAX_DECISIONS = 4;

export interface MadeTokens {
  tokens: Record<string, string>;
  /** Includes earlier digests. */
  digests: NonNullable<PushRecord['actions']>;
}

/**
 * Creates one token for each decision, with which a notification's button answers a request without a credential. Only
 * their digests are stored.
 */
export function makeTokens(decisions: readonly string[], known: PushRecord['actions'] = {}): MadeTokens {
  const tokens: Record<string, string> = {};
  const digests: Record<string, readonly string[]> = { ...known };
  for (const decision of decisions.slice(0, MAX_DECISIONS)) {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    tokens[decision] = token;
    const before = Object.hasOwn(known, decision) ? (known[decision] ?? []) : [];
    digests[decision] = [...before, digestOf(token)].slice(-MAX_DIGESTS);
  }
  return { tokens, digests };
}

/** Whether the token belongs to this push and decision. In constant time. */
export function isTokenOf({ actions = {} }: Pick<PushRecord, 'actions'>, decision: string, token: string): boolean {
  const given = Buffer.from(digestOf(token), 'hex');
  const known = Object.hasOwn(actions, decision) ? (actions[decision] ?? []) : [];
  return known.some((digest) => {
    const one = Buffer.from(digest, 'hex');
    return one.length === given.length && timingSafeEqual(one, given);
  });
}

/** The row after a token for this decision was used. */
export function withoutTokens(push: PushRecord, decision: string): PushRecord {
  const { [decision]: _, ...others } = push.actions ?? {};
  return { ...push, actions: others };
}

const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** The number of items that wait for the person. `open`: the number of open requests in each session. */
export const badgeOf = (open: ReadonlyMap<SessionId, number>): number =>
  [...open.values()].reduce((sum, count) => sum + count, 0);
