/** Which events concern a person. */
import { describe, expect, test } from '@jest/globals';
import type { EventData } from '../../protocol/events.js';
import { isLimit, resetOf } from '../../services/model/usage-limits.js';
import { concernOf, isWaiting, kindOf } from '../../services/push/policy/concerns.js';
import { AT, budgetOf, requestOf, SESSION, turnOf } from './situations.js';

const turn = (fields: Partial<EventData<'streamComplete'>>) => kindOf({ type: 'streamComplete', data: turnOf(fields) });
const apiError = (finalResult: string) => ({ subtype: 'api_error', isError: true, finalResult });

describe('turns', () => {
  test.each([
    ['success', false, 'turn_complete'],
    ['interrupted', true, undefined],
    ['interrupted', false, undefined],
    ['api_error', true, 'turn_failed'],
    ['child_exited', true, 'turn_failed'],
    ['storage_full', true, 'turn_failed'],
    ['error_during_execution', true, 'turn_failed'],
    ['error_max_structured_output_retries', true, 'turn_failed'],
    ['error_of_a_later_cli', false, 'turn_failed'],
    ['success', true, 'turn_failed'],
    ['error_max_turns', true, 'limit'],
    ['error_max_budget_usd', true, 'limit'],
    ['usage_limit', true, 'limit'],
  ])('%s, error %s: %s', (subtype, isError, kind) => expect(turn({ subtype, isError })).toBe(kind));

  test('one that no person prompted is like any other', () => {
    expect(turn({ promptId: 'p1' })).toBe('turn_complete');
    expect(turn({})).toBe('turn_complete');
  });

  test.each([
    // Seen with 2.1.197 and 2.1.329 against an API that refuses.
    'API Error: Request rejected (429) · scripted',
    'API Error: Request rejected (429) · spend limit reached · resets Aug 8',
    'API Error: 400 You have reached your specified API usage limits. You will regain access on 2026-12-01',
    'Credit balance is too low',
    // From the texts of both.
    "You've hit your session limit · resets 3pm (Europe/Berlin)",
    'You’ve hit your weekly limit · resets Oct 6, 9am',
    "You've hit your monthly spend limit · /usage-credits to raise it",
    "You've reached your Opus limit",
    "You're out of usage credits · add funds to continue",
    "You're out of extra usage · resets 5am",
    'Your org is out of usage · contact your admin',
    "Your seat type doesn't include usage credits",
    "Your group's usage limit is set to $0",
    'Fable 5 requires usage credits. Run /usage-credits to continue.',
    'API Error: Server is temporarily limiting requests (not your usage limit) · try later',
    'API Error: 429 {"type":"error"}',
    'Claude AI usage limit reached|1767225600',
  ])('a limit: %s', (text) => {
    expect(turn(apiError(text))).toBe('limit');
    expect(turn({ ...apiError(text), subtype: 'success' })).toBe('limit');
    expect(turn({ finalResult: text })).toBe('turn_complete');
    expect(turn({ ...apiError(text), subtype: 'child_exited' })).toBe('turn_failed');
  });

  test.each([
    'API Error: 529 scripted. This is a server-side issue, usually temporary — try again in a moment.',
    'API Error: 401 authentication_error',
    'Not logged in · Please run /login',
    'Prompt is too long',
    "API Error: 500 You've hit your bug",
    '',
  ])('no limit: %s', (text) => expect(turn(apiError(text))).toBe('turn_failed'));

  test.each([
    ["You've hit your session limit · resets 3pm (Europe/Berlin)", '3pm (Europe/Berlin)'],
    ['API Error: Request rejected (429) · spend limit reached · resets Aug 8', 'Aug 8'],
    ["You've hit your weekly limit · resets Oct 6, 9am · progress saved", 'Oct 6, 9am'],
    ['5-hour limit reached ∙ resets 11pm\nmore', '11pm'],
    ['Credit balance is too low', undefined],
  ])('%s: resets %s', (finalResult, reset) => expect(resetOf({ finalResult })).toBe(reset));

  test('a reset that the CLI does not name is told in UTC, where it is known', () => {
    const resetsAt = '2026-11-30T15:00:00.000Z';
    expect(resetOf({ finalResult: 'Nothing more.', resetsAt })).toBe('2026-11-30 15:00 UTC');
    expect(resetOf({ finalResult: "You've hit your limit · resets 3pm (UTC)", resetsAt })).toBe('3pm (UTC)');
  });

  test('text of any length is judged without delay', () => {
    const long = `${'API Error: '.repeat(50_000)}reached your specified ${'- '.repeat(100_000)}`;
    expect(isLimit(apiError(long))).toBe(false);
    expect(resetOf({ finalResult: '· resets '.repeat(100_000) })).toBeUndefined();
  });
});

describe('requests and errors', () => {
  test.each([
    ['tool', 'permission'],
    ['question', 'question'],
    ['plan', 'plan'],
  ] as const)('a request of kind %s: %s', (kind, expected) => {
    expect(kindOf({ type: 'permissionRequest', data: requestOf({ kind }) })).toBe(expected);
  });

  test('a crash is none, for its turn says how it ended; that nothing is tried any more is one', () => {
    const data = { sessionId: SESSION, code: 'CLAUDE_UNAVAILABLE', message: 'The Claude CLI ended.' } as const;
    expect(kindOf({ type: 'error', data })).toBeUndefined();
    expect(kindOf({ type: 'error', data: { ...data, givenUp: true } })).toBe('given_up');
  });
});

describe('of the record', () => {
  const record = (type: Parameters<typeof concernOf>[1]['type'], data: unknown) => ({
    seq: 3,
    type,
    at: AT,
    data: JSON.stringify(data),
  });

  test('a concern has the place of its event, and what it is about', () => {
    const asked = concernOf(SESSION, record('permissionRequest', requestOf({ kind: 'plan' })));
    expect(asked).toEqual({ kind: 'plan', sessionId: SESSION, seq: 3, at: AT, request: requestOf({ kind: 'plan' }) });
    expect(asked && isWaiting(asked)).toBe(true);
    const ended = concernOf(SESSION, record('streamComplete', turnOf()));
    expect(ended).toEqual({ kind: 'turn_complete', sessionId: SESSION, seq: 3, at: AT, turn: turnOf() });
    expect(ended && isWaiting(ended)).toBe(false);
    const error = { sessionId: SESSION, code: 'CLAUDE_UNAVAILABLE', message: 'no', givenUp: true };
    expect(concernOf(SESSION, record('error', error))).toEqual({
      kind: 'given_up',
      sessionId: SESSION,
      seq: 3,
      at: AT,
      message: 'no',
    });
  });

  test('a budget concerns its person', () => {
    const { budget } = budgetOf({ state: 'exceeded' });
    const told = concernOf(SESSION, record('budget', budget));
    expect(told).toEqual({ kind: 'budget', sessionId: SESSION, seq: 3, at: AT, budget });
    expect(told && isWaiting(told)).toBe(false);
  });

  test.each([
    ['streamComplete', turnOf({ subtype: 'interrupted' })],
    ['permissionResolved', { permissionId: 'toolu_1', sessionId: SESSION, decision: 'allow' }],
    ['error', { sessionId: SESSION, code: 'TIMEOUT', message: 'Claude has not reacted.' }],
    ['sessionStatus', { status: 'error' }],
    ['humanMessage', {}],
  ] as const)('no concern: %s', (type, data) => expect(concernOf(SESSION, record(type, data))).toBeUndefined());

  test('of events that never concern anybody the data is not read', () => {
    expect(concernOf(SESSION, { seq: 1, type: 'assistantMessage', at: AT, data: 'not read' })).toBeUndefined();
  });
});
