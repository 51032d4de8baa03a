/** What notifications say. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PermissionId, SessionId } from '../../protocol/scalars.js';
import {
  collapseIdOf,
  composeDigest,
  composePush,
  composeTest,
  composeWithdrawal,
  cutText,
  digestWording,
  firstLine,
  MAX_BODY,
  wordingOf,
} from '../../services/push/message/compose-message.js';
import type { Concern } from '../../services/push/policy/concerns.js';
import { anyCharacter } from '../support/any-character.js';
import { countOf } from '../support/counts.js';
import {
  AT,
  budgetOf,
  concernOfKind,
  RESULTS,
  requestOf,
  resultOf,
  SESSION,
  turnOf,
  WAITING,
  waitingOf,
} from './situations.js';

const STATE = { project: 'api', body: 'state' } as const;
const FULL = { project: 'api', body: 'full' } as const;

const turn = (kind: 'turn_complete' | 'turn_failed' | 'limit', fields: Parameters<typeof turnOf>[0]): Concern => ({
  kind,
  sessionId: SESSION,
  seq: 1,
  at: AT,
  turn: turnOf(fields),
});
const failed = (subtype: string, finalResult = '') => turn('turn_failed', { subtype, isError: true, finalResult });
const limit = (subtype: string, finalResult = '') => turn('limit', { subtype, isError: true, finalResult });
const asking = (fields: Parameters<typeof requestOf>[0], kind: (typeof WAITING)[number] = 'permission') =>
  waitingOf(kind, { request: requestOf(fields) });

const shown = ({ subtitle, body }: { subtitle: string; body: string }) => `${subtitle} | ${body}`;

describe('one event', () => {
  test.each([
    [waitingOf('permission'), 'Permission: Bash | Bash waits for your permission.'],
    [waitingOf('question'), 'Question | Claude waits for your answer.'],
    [waitingOf('plan'), 'Plan ready | Claude waits for your word on its plan.'],
    [resultOf('turn_complete'), 'Done | Claude has finished after 3 min.'],
    [turn('turn_complete', { duration: 0 }), 'Done | Claude has finished.'],
    [turn('turn_complete', { duration: 42_300 }), 'Done | Claude has finished after 42 s.'],
    [turn('turn_complete', { duration: 7_500_000 }), 'Done | Claude has finished after 2 h 5 min.'],
    [failed('api_error', 'API Error: 500'), 'Failed: API error | The API did not answer as it should.'],
    [failed('child_exited'), 'Failed: Claude ended | Claude ended in the middle of its turn.'],
    [failed('storage_full'), 'Failed: disk full | The disk is full: not all of the turn was kept.'],
    [failed('error_of_a_later_cli'), 'Failed: error | The turn ended with an error after 3 min.'],
    [limit('error_max_turns'), 'Limit reached | The turn has used up its steps after 3 min.'],
    [limit('error_max_budget_usd'), 'Limit reached | The turn has used up its budget after 3 min.'],
    [resultOf('limit'), 'Limit reached | Claude takes no more for now. It resets 3pm.'],
    [limit('api_error', 'Credit balance is too low'), 'Limit reached | Claude takes no more for now.'],
    [
      resultOf('given_up'),
      'Failed: Claude does not run | No Claude could be kept running. Your next prompt tries again.',
    ],
    [budgetOf(), 'Budget nearly used up | All sessions have used 80,000 of 100,000 tokens today.'],
    [
      budgetOf({ state: 'exceeded', of: 'session', unit: 'dollars', used: 5.126, limit: 5, period: 'week' }),
      'Budget used up | The session has used $5.13 of $5.00 this week. Prompts are refused.',
    ],
    [
      budgetOf({ state: 'exceeded', period: 'always', stops: false }),
      'Budget used up | All sessions have used 80,000 of 100,000 tokens.',
    ],
  ])('state alone: %#', (concern, expected) => expect(shown(wordingOf(concern, STATE))).toBe(expected));

  test.each([
    [waitingOf('permission'), 'npm test'],
    [asking({ toolInput: { file_path: '/a/b.ts', content: 'secret' }, toolName: 'Write' }), '/a/b.ts'],
    [asking({ toolInput: { command: 'echo 1\nrm -rf x' } }), 'echo 1 …'],
    [asking({ toolInput: { issue: 5 }, prompt: 'Allow mcp__tracker__close?' }), 'Allow mcp__tracker__close?'],
    [asking({ toolInput: null, prompt: 'Allow it?' }), 'Allow it?'],
    [asking({ kind: 'question', prompt: 'Which colour?' }, 'question'), 'Which colour?'],
    [asking({ kind: 'plan', toolInput: { plan: '# Plan\n\n1. Look' } }, 'plan'), '# Plan …'],
    [resultOf('turn_complete'), 'All tests pass.'],
    [turn('turn_complete', { finalResult: '\n \n  First.  \r\n\r\nSecond.' }), 'First. …'],
    [turn('turn_complete', { finalResult: ' \n ' }), 'Claude has finished after 3 min.'],
    [resultOf('limit'), "You've hit your session limit · resets 3pm"],
    [failed('child_exited'), 'Claude ended in the middle of its turn.'],
  ])('in full, the first line: %#', (concern, expected) => expect(wordingOf(concern, FULL).body).toBe(expected));

  test('the title is the project, of whatever name', () => {
    expect(wordingOf(waitingOf('plan'), STATE).title).toBe('api');
    expect(wordingOf(waitingOf('plan'), { ...STATE, project: '' }).title).toBe('Claude');
    expect(wordingOf(waitingOf('plan'), { ...STATE, project: 'x'.repeat(255) }).title).toHaveLength(60);
  });

  test('a tool of a long name, or none, is still named', () => {
    expect(wordingOf(asking({ toolName: 'mcp__'.repeat(50) }), STATE).subtitle.length).toBeLessThanOrEqual(60);
    expect(wordingOf(asking({ toolName: '' }), STATE).body).toBe('A tool waits for your permission.');
  });

  const SECRET = 'correct-horse';
  const secretive = [
    asking({ toolInput: { command: SECRET, plan: SECRET }, prompt: SECRET, suggestions: [SECRET] }),
    asking({ toolInput: { plan: SECRET }, prompt: SECRET }, 'plan'),
    asking({ prompt: SECRET, toolInput: { questions: [SECRET] } }, 'question'),
    turn('turn_complete', { finalResult: SECRET }),
    failed('api_error', SECRET),
    limit('api_error', `You've hit your limit\n${SECRET}`),
    { kind: 'given_up', sessionId: SESSION, seq: 1, at: AT, message: SECRET } satisfies Concern,
  ];
  test.each(secretive)('state alone tells nothing that was said: $kind', (concern) => {
    expect(JSON.stringify(wordingOf(concern, STATE))).not.toContain(SECRET);
    expect(JSON.stringify(composePush(concern, STATE, ENVELOPE))).not.toContain(SECRET);
  });

  test('no text makes it long, broken, or more than a line', () => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 400 }),
      fc.string({ unit: 'grapheme', maxLength: 400 }),
    );
    const kinds = fc.constantFrom(...WAITING, ...RESULTS);
    fc.assert(
      fc.property(kinds, text, text, text, (kind, said, project, toolName) => {
        const concern = concernOfKind(kind);
        const request = requestOf({ toolName, prompt: said, toolInput: { command: said } });
        const data = { request, turn: turnOf({ finalResult: said }), message: said };
        const { words: inOthers, ...words } = wordingOf({ ...concern, ...data } as Concern, { project, body: 'full' });
        expect(words.body.length).toBeLessThanOrEqual(MAX_BODY);
        expect(words.title.length + words.subtitle.length).toBeLessThanOrEqual(130);
        for (const value of [...Object.values(words), ...Object.values(inOthers.values).map(String)]) {
          expect(value).not.toBe('');
          expect(value).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029]/u);
        }
      }),
      { numRuns: countOf({ full: 1000, fast: 100 }) },
    );
  });
});

describe('cutting', () => {
  test.each([
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['two words', 5, 'two…'],
    ['👨‍👩‍👧👨‍👩‍👧', 10, '👨‍👩‍👧…'],
    ['👨‍👩‍👧👨‍👩‍👧', 8, '…'],
    ['e\u0301e\u0301e\u0301', 5, 'e\u0301e\u0301…'],
  ])('%s at %i: %s', (text, max, expected) => expect(cutText(text, max)).toBe(expected));

  test('of a text of any length only its beginning is looked at', () => {
    expect(firstLine('a'.repeat(10_000_000), 10)).toBe(`${'a'.repeat(9)}…`);
    expect(firstLine(`${' '.repeat(10_000_000)}a`, 10)).toBeUndefined();
  });

  test('what turns the direction of text is left out', () => {
    expect(firstLine('rm \u202ex\u2066y', 20)).toBe('rm xy');
  });
});

const ENVELOPE = { pushId: 'push-1', badge: 2, expiresAt: AT + 1000 };

describe('messages', () => {
  test('a request has its id and what it may be answered with', () => {
    expect(composePush(waitingOf('permission'), STATE, ENVELOPE)).toEqual({
      ...ENVELOPE,
      kind: 'permission',
      sessionId: SESSION,
      seq: 7,
      title: 'api',
      subtitle: 'Permission: Bash',
      body: 'Bash waits for your permission.',
      words: { name: 'permission', values: { tool: 'Bash' }, isQuoted: false },
      permissionId: 'toolu_1',
      options: ['allow', 'deny'],
      collapseId: 'ask.session.toolu_1',
    });
  });

  test('options are whole or not there', () => {
    const options = ['x'.repeat(600), 'y'.repeat(600)];
    expect(composePush(asking({ options }, 'question'), STATE, ENVELOPE).options).toEqual([]);
    expect(composePush(asking({ options: options.slice(1) }, 'question'), STATE, ENVELOPE).options).toEqual(
      options.slice(1),
    );
  });

  test('a result has no request', () => {
    const message = composePush(resultOf('turn_complete'), FULL, ENVELOPE);
    expect(message).not.toHaveProperty('permissionId');
    expect(message).toMatchObject({ kind: 'turn_complete', collapseId: 'turn.session', body: 'All tests pass.' });
  });

  test('a withdrawal takes the place of its request', () => {
    const concern = waitingOf('permission');
    const message = composeWithdrawal({ concern, project: 'api', decision: 'allow' }, { ...ENVELOPE, badge: 0 });
    expect(message).toMatchObject({ kind: 'withdrawal', badge: 0, subtitle: 'Answered', body: 'It was allowed.' });
    expect(message.collapseId).toBe(collapseIdOf(concern));
    expect(message.permissionId).toBe('toolu_1');
    const expired = composeWithdrawal({ concern, project: 'api', decision: 'expired' }, ENVELOPE);
    expect(shown(expired)).toBe('No longer open | It cannot be answered any more.');
  });

  test('a test says that it is one', () => {
    expect(composeTest(ENVELOPE)).toMatchObject({ kind: 'test', sessionId: undefined, collapseId: 'test' });
  });
});

describe('collapse ids', () => {
  test('a session and a request of long ids are not mixed up with others', () => {
    const long = 'x'.repeat(100);
    const ask = (sessionId: string, permissionId: string) =>
      collapseIdOf(waitingOf('plan', { sessionId: sessionId as SessionId, request: requestOf({ permissionId }) }));
    expect(ask(`${long}y`, long)).not.toBe(ask(long, `y${long}`));
  });

  test('one for each request and one for all results of a session, however long the ids of the CLI are', () => {
    const ids = fc.string({ unit: anyCharacter, minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(ids, ids, ids, (session, one, other) => {
        const sessionId = session as SessionId;
        const ask = (permissionId: string) =>
          collapseIdOf(
            waitingOf('plan', { sessionId, request: requestOf({ permissionId: permissionId as PermissionId }) }),
          );
        expect(ask(one)).toMatch(/^[\x21-\x7e]{1,64}$/);
        expect(ask(one) === ask(other)).toBe(one === other);
        expect(collapseIdOf(resultOf('turn_complete', { sessionId }))).toMatch(/^[\x21-\x7e]{1,64}$/);
        expect(collapseIdOf(resultOf('limit', { sessionId, seq: 9 }))).toBe(
          collapseIdOf(resultOf('given_up', { sessionId })),
        );
      }),
    );
  });
});

describe('digests', () => {
  const result = (project: string, kind: (typeof RESULTS)[number] = 'turn_complete') => ({
    pushId: project,
    concern: resultOf(kind, { sessionId: project as SessionId }),
    owedAt: AT,
    expiresAt: AT + 1,
    project,
  });

  test.each([
    [[result('api'), result('web')], '2 sessions finished | All done | Done: api, web.'],
    [
      [result('api'), result('web', 'turn_failed'), result('docs')],
      '3 sessions finished | 1 failed, 2 done | Failed: web. Done: api, docs.',
    ],
    [[result('api', 'given_up'), result('web', 'turn_failed')], '2 sessions finished | All failed | Failed: api, web.'],
    [
      [result('api', 'limit'), result('web', 'turn_failed'), result('docs')],
      '3 sessions finished | 1 failed, 1 at a limit, 1 done | Failed: web. Limit reached: api. Done: docs.',
    ],
  ])('%#: %s', (results, expected) => {
    const { title, subtitle, body } = digestWording(results);
    expect(`${title} | ${subtitle} | ${body}`).toBe(expected);
  });

  test('of many, as many are named as fit, and the others counted', () => {
    const many = Array.from({ length: 100 }, (_, index) => result(`project-number-${index}`));
    const { title, body } = digestWording(many);
    expect(title).toBe('100 sessions finished');
    const named = body.match(/project-number/g)?.length ?? 0;
    expect(named).toBeGreaterThan(3);
    expect(body).toContain(` and ${100 - named} more.`);
    expect(body.length).toBeLessThanOrEqual(MAX_BODY);
  });

  test('its message has no place', () => {
    const message = composeDigest([result('api'), result('web')], ENVELOPE);
    expect(message).toMatchObject({ ...ENVELOPE, kind: 'digest', sessionId: undefined, collapseId: 'digest' });
  });
});
