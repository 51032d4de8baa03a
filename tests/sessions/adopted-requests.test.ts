/** The requests of an adopted child are those for which it waits by its own word. */
import { describe, expect, test } from '@jest/globals';
import type { PermissionId, SessionId } from '../../protocol/scalars.js';
import type { CliFact, PendingAsks } from '../../services/ports/claude.js';
import type { BackgroundTask, PermissionAsk, PermissionRecord } from '../../services/ports/records.js';
import { onChildAdopted } from '../../services/sessions/machine/decide-child.js';
import { decideLines } from '../../services/sessions/machine/decide-fact.js';
import { openPermissions, type SessionState } from '../../services/sessions/machine/session-state.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { sessionRecord } from '../support/session-record.js';

const ask = (requestId: string, more: Partial<PermissionAsk> = {}): PermissionAsk => ({
  requestId,
  toolUseId: '',
  toolName: 'Bash',
  input: { command: 'ls' },
  ...more,
});
const form = (requestId: string) =>
  ask(requestId, { kind: 'elicitation', toolName: 'elicitation', mcpServer: 'forms' });

const asked = (request: PermissionAsk, more: Partial<PermissionRecord> = {}): PermissionRecord => ({
  permissionId: `perm_${request.requestId}` as PermissionId,
  sessionId: 'session' as SessionId,
  childId: 'child',
  ask: request,
  createdAt: 0,
  ...more,
});
const answered = (request: PermissionAsk) =>
  asked(request, { decision: 'allow', answer: { of: request.requestId }, byDeviceId: 'phone' });

function adopt(permissions: PermissionRecord[], background: readonly BackgroundTask[] = []): SessionState {
  const child = { childId: 'child', processed: 0, resume: 0, costBase: 0, background };
  const record = { ...sessionRecord('session'), child };
  const state = stateOf({ record, head: 0, prompts: [], permissions });
  return onChildAdopted(state, { inputTorn: false }, 1).state;
}

const take = (state: SessionState, ...facts: CliFact[]) =>
  decideLines(state, [{ offset: 0, end: 10, resume: 10, facts }], 2);
const initialized = (pending: PendingAsks): CliFact => ({ kind: 'initialized', pending, loggedIn: true });

function told(step: ReturnType<typeof take>) {
  const events = step.publications.flatMap((item) => (item.kind === 'event' ? [item.event] : []));
  const dataOf = (type: string) =>
    events.filter((event) => event.type === type).map((event) => JSON.parse(event.data) as Record<string, unknown>);
  return {
    asked: dataOf('permissionRequest'),
    resolved: dataOf('permissionResolved'),
    notices: dataOf('notice'),
    answers: step.effects.flatMap((effect) => (effect.kind === 'answerPermission' ? [effect.requestId] : [])),
    logged: step.effects.filter(({ kind }) => kind === 'logDifference'),
    open: openPermissions(step.state).map(({ ask: { requestId } }) => requestId),
  };
}

describe('after the adoption of a child', () => {
  test('what both know stays as it is, and nothing is told', () => {
    const step = take(adopt([asked(ask('a')), asked(form('b'))]), initialized({ tool: [ask('a')] }));
    expect(told(step)).toMatchObject({ asked: [], resolved: [], notices: [], logged: [], open: ['a', 'b'] });
  });

  test('a request for which the child does not wait is withdrawn, logged and told', () => {
    const step = take(adopt([asked(ask('a')), asked(ask('b'))]), initialized({ tool: [ask('b')] }));
    expect(told(step)).toMatchObject({
      resolved: [{ permissionId: 'perm_a', decision: 'cancelled' }],
      notices: [{ kind: 'adoption', level: 'warning' }],
      logged: [{ message: expect.stringContaining('Allow Bash?') }],
      open: ['b'],
    });
  });

  test('a request that the record lacks is asked, logged and told, once', () => {
    const step = take(adopt([]), initialized({ tool: [ask('a')] }), { kind: 'permissionAsked', ask: ask('a') });
    expect(told(step)).toMatchObject({
      asked: [{ toolName: 'Bash', toolInput: { command: 'ls' } }],
      notices: [{ kind: 'adoption' }],
      logged: [{}],
      open: ['a'],
    });
  });

  test('an answer that it has not read is given again, and no other', () => {
    const state = adopt([answered(ask('a')), answered(ask('b')), answered(form('c')), answered(form('d'))]);
    const read: CliFact = { kind: 'permissionRead', requestId: 'd' };
    const step = take(state, read, initialized({ tool: [ask('a')] }));
    expect(told(step)).toMatchObject({ answers: ['a', 'c'], notices: [], resolved: [] });
    expect(told(take(step.state, initialized({ tool: [ask('a')] }))).answers).toEqual([]);
  });

  test('an answer that the record lacks withdraws its request, is logged and told, by every version', () => {
    const step = take(adopt([asked(form('a'))]), { kind: 'permissionRead', requestId: 'a' }, initialized({}));
    expect(told(step)).toMatchObject({
      resolved: [{ permissionId: 'perm_a', decision: 'cancelled' }],
      notices: [{ kind: 'adoption', level: 'warning' }],
      logged: [{ message: expect.stringContaining('not in the record') }],
      answers: [],
      open: [],
    });
  });

  test('a version that lists nothing is taken to wait for what is recorded', () => {
    const step = take(adopt([asked(ask('a')), asked(form('b')), answered(form('c'))]), initialized({}));
    expect(told(step)).toMatchObject({ resolved: [], notices: [], open: ['a', 'b'], answers: ['c'] });
  });

  describe('the first list of its tasks', () => {
    const tasks = (...ids: string[]): CliFact => ({
      kind: 'background',
      change: { kind: 'all', tasks: ids.map((taskId) => ({ taskId })) },
    });
    const recorded: BackgroundTask[] = [
      { taskId: 'a', kind: 'shell' },
      { taskId: 'cron-1', kind: 'cron' },
    ];

    test.each([
      [['a'], []],
      [['a', 'b'], [expect.stringContaining('runs tasks that were not recorded: 1')]],
      [[], [expect.stringContaining('no longer runs tasks that were recorded: 1')]],
    ])('replaces the record, and what differs is logged and told: %j', (ids, messages) => {
      const step = take(adopt([], recorded), initialized({}), tasks(...ids));
      expect(told(step)).toMatchObject({
        logged: messages.map((message) => ({ message })),
        notices: messages.map((message) => ({ kind: 'adoption', message })),
      });
      expect(step.state.background.map(({ taskId }) => taskId).sort()).toEqual([...ids, 'cron-1'].sort());
      const later = take(step.state, tasks('z'));
      expect(told(later)).toMatchObject({ logged: [], notices: [] });
    });

    test('tells nothing when a change of its tasks came first', () => {
      const added: CliFact = { kind: 'background', change: { kind: 'added', task: { taskId: 'b' } } };
      const step = take(adopt([], recorded), initialized({}), added, tasks('b'));
      expect(told(step)).toMatchObject({ logged: [], notices: [] });
    });
  });

  test('a decision that a person makes before its word came is not given twice', () => {
    const state = adopt([asked(form('a'))]);
    const decided = { ...state, permissions: [answered(form('a'))] };
    expect(told(take(decided, initialized({}))).answers).toEqual([]);
  });
});
