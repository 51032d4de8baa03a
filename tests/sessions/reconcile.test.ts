/** Which entries of a transcript are added to the journal: a function of both. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClaudeSessionId } from '../../protocol/scalars.js';
import { pagesOf, toEntries } from '../../services/claude/transcript/transcript-entries.js';
import type { KnownBlock, KnownContent } from '../../services/ports/journal.js';
import type { EventRecord } from '../../services/ports/records.js';
import type { TranscriptEntry } from '../../services/ports/transcripts.js';
import type { Carried } from '../../services/sessions/child/known-entries.js';
import { canReconcile, findMissing, onMissingFound } from '../../services/sessions/child/reconciler.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { newTurn } from '../../services/sessions/machine/turns.js';
import { sessionRecord } from '../support/session-record.js';

const human = (uuid: string): TranscriptEntry => ({
  kind: 'human',
  uuid,
  at: 1000,
  content: [{ type: 'text', text: `says ${uuid}` }],
});

type Block = Extract<TranscriptEntry, { kind: 'block' }>;

const text = (messageId: string, blockIndex: number, words: string): Block => ({
  kind: 'block',
  uuid: `${messageId}/${blockIndex}`,
  at: 2000,
  messageId,
  blockIndex,
  content: { type: 'text', text: words },
});

const tool = (messageId: string, blockIndex: number, id: string): Block => ({
  ...text(messageId, blockIndex, ''),
  content: { type: 'tool_use', id, name: 'Bash', input: { command: id } },
});

const result = (toolId: string): TranscriptEntry => ({
  kind: 'toolResult',
  uuid: `result of ${toolId}`,
  at: 3000,
  toolId,
  toolName: 'Bash',
  text: 'out',
  isError: false,
});

const nothing = (): KnownContent => ({ messages: new Map(), toolUses: new Set(), toolResults: new Set() });

const fresh = () => stateOf({ record: sessionRecord('session'), head: 0, prompts: [], permissions: [] });

/** What the journal has when these events are in it. */
function saidBy(events: readonly EventRecord[]): KnownContent {
  const said = nothing();
  for (const { type, data, messageId } of events) {
    const {
      toolId = '',
      blockIndex,
      content,
      partial = false,
      truncated = false,
    } = JSON.parse(data) as Partial<KnownBlock> & { toolId?: string; truncated?: boolean };
    if (type === 'toolUse') said.toolUses.add(toolId);
    if (type === 'toolResult') said.toolResults.add(toolId);
    if (messageId === undefined) continue;
    const block = {
      content: content ?? [],
      partial,
      isCut: truncated,
      ...(blockIndex !== undefined && { blockIndex }),
    };
    said.messages.set(messageId, [...(said.messages.get(messageId) ?? []), block]);
  }
  return said;
}

/** The events that are added, and whether what follows the entries has something known before it. */
function reconcile(entries: TranscriptEntry[], { said = nothing(), anchored = true } = {}) {
  const found = findMissing({ entries, said, anchored });
  const step = onMissingFound(fresh(), found.missing, 5000);
  const events = (step.change?.events ?? []).filter(({ type }) => type !== 'sessionStatus');
  return { events, anchored: found.anchored, record: step.state.record };
}

interface Place {
  messageId: string;
  blockIndex?: number;
  toolId?: string;
}

const shown = (events: readonly EventRecord[]): string[] =>
  events.map(({ type, data }) => {
    const { messageId, blockIndex, toolId } = JSON.parse(data) as Place;
    return `${type} ${toolId ?? messageId}${blockIndex === undefined ? '' : `/${blockIndex}`}`;
  });

const TURN = [human('h1'), text('m1', 0, 'Hm.'), tool('m1', 1, 't1'), result('t1'), text('m2', 0, 'Done.')];
const TURN_SHOWN = [
  'humanMessage h1',
  'assistantMessage m1/0',
  'assistantMessage m1/1',
  'toolUse t1',
  'toolResult t1',
  'assistantMessage m2/0',
];

describe('a text that is too large for its row', () => {
  const long = (end: string) => text('m1', 0, `${'ä"'.repeat(1_000_000)}${end}`);
  const before = reconcile([human('p1'), long('!')]);
  const said = saidBy(before.events);

  test('is recognised by the part of it that was kept', () => {
    expect(said.messages.get('m1')).toMatchObject([{ isCut: true }]);
    expect(reconcile([human('p1'), long('!')], { said }).events).toEqual([]);
  });

  test('is distinguished from one that differs in the kept part', () => {
    const other = { ...long('?'), uuid: 'another', blockIndex: 1 };
    const { events } = reconcile([human('p1'), long('!'), other], { said });
    expect(events.map(({ type }) => type)).toEqual(['assistantMessage']);
  });

  test('is completed when only a part of it is in the journal', () => {
    const part = { ...said, messages: new Map(said.messages) };
    part.messages.set(
      'm1',
      (said.messages.get('m1') ?? []).map((block) => ({ ...block, partial: true })),
    );
    const whole = { ...long('!'), content: { type: 'text' as const, text: `${'ä"'.repeat(1_000_001)}` } };
    const { events } = reconcile([human('p1'), whole], { said: part });
    expect(events.map(({ type }) => type)).toEqual(['assistantMessage']);
  });
});

describe('reconciling adds', () => {
  test('everything after a point at which both agree, in order, marked as from a terminal, with its own times', () => {
    const { events, record } = reconcile(TURN);
    expect(shown(events)).toEqual(TURN_SHOWN);
    expect(JSON.parse(events[0]?.data ?? '')).toEqual({
      messageId: 'h1',
      content: [{ type: 'text', text: 'says h1' }],
      deviceId: 'terminal',
      promptId: 'h1',
    });
    expect(events.map(({ at }) => at)).toEqual([1000, 2000, 2000, 2000, 3000, 2000]);
    expect(JSON.parse(events[1]?.data ?? '')).toMatchObject({ timestamp: new Date(2000).toISOString() });
    expect(record).toMatchObject({ messageCount: 3, lastMessageId: 'm2' });
  });

  test('nothing twice, whatever the journal already has and however often it reconciles', () => {
    fc.assert(
      fc.property(fc.subarray(TURN), fc.subarray(TURN), (earlier, later) => {
        const first = reconcile(earlier).events;
        const second = reconcile([...later, ...later], { said: saidBy(first) }).events;
        const all = [...first, ...second];
        expect(new Set(shown(all)).size).toBe(all.length);
        expect(
          reconcile(TURN, { said: saidBy([...all, ...reconcile(TURN, { said: saidBy(all) }).events]) }).events,
        ).toEqual([]);
      }),
    );
  });

  test('the whole of a block that was known in part, under the same index', () => {
    const part = { blockIndex: 3, content: [{ type: 'text', text: 'Do' }], partial: true };
    const said = { ...nothing(), messages: new Map([['m2', [part]]]) };
    const { events, record } = reconcile([text('m2', 0, 'Done.')], { said });
    expect(shown(events)).toEqual(['assistantMessage m2/3']);
    expect(JSON.parse(events[0]?.data ?? '')).not.toHaveProperty('partial');
    expect(record.messageCount).toBe(0);
  });

  test('nothing to a block that an interrupt cut short, since the transcript has no more of it', () => {
    const part = { blockIndex: 0, content: [{ type: 'text', text: 'Do' }], partial: true };
    const said = { ...nothing(), messages: new Map([['m2', [part]]]) };
    expect(reconcile([text('m2', 0, 'Do')], { said }).events).toEqual([]);
  });

  test('a tool use that was cut short as a whole one; one whose input was changed with its approval counts as the same', () => {
    const cut = {
      blockIndex: 1,
      content: [{ type: 'tool_use', id: 't1', name: 'Bash', input: '{"comm' }],
      partial: true,
    };
    const changed = {
      ...cut,
      content: [{ type: 'tool_use', id: 't1', name: 'Bash', input: { x: 1 } }],
      partial: false,
    };
    const saidOf = (block: KnownBlock) => ({ ...nothing(), messages: new Map([['m1', [block]]]) });
    expect(shown(reconcile([tool('m1', 0, 't1')], { said: saidOf(cut) }).events)).toEqual([
      'assistantMessage m1/1',
      'toolUse t1',
    ]);
    expect(reconcile([tool('m1', 0, 't1')], { said: saidOf(changed) }).events).toEqual([]);
  });

  test('a block under a free index when the transcript numbers blocks differently from the stream', () => {
    const first = { blockIndex: 1, content: [{ type: 'text', text: 'Hm.' }], partial: false };
    const said = { ...nothing(), messages: new Map([['m1', [first]]]) };
    expect(shown(reconcile([text('m1', 0, 'Hm.'), tool('m1', 1, 't1')], { said }).events)).toEqual([
      'assistantMessage m1/2',
      'toolUse t1',
    ]);
  });

  test('messages of a subagent with their tool, without counting them', () => {
    const { events, record } = reconcile([{ ...text('s1', 0, 'Sub.'), parentToolUseId: 't1' }]);
    expect(JSON.parse(events[0]?.data ?? '')).toMatchObject({ messageId: 's1', parentToolUseId: 't1' });
    expect(record.messageCount).toBe(0);
  });
});

describe('a transcript of several pages', () => {
  const repeated = (number: number): TranscriptEntry[] => [
    { ...text('same', 0, 'Again.'), uuid: `text ${number}` },
    { ...tool('same', 1, 'Bash:0'), uuid: `use ${number}` },
    { ...result('Bash:0'), uuid: `result ${number}` },
  ];
  const transcript = Array.from({ length: 6 }, (_, number) => repeated(number)).flat();
  const contents = (events: readonly EventRecord[]) => events.map(({ type, at }) => `${type} ${at}`);

  test('adds the same as one of a single page, also with repeated ids and texts, whatever the journal has', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 18 }), fc.integer({ min: 1, max: 7 }), (known, size) => {
        const has = reconcile(transcript.slice(0, known)).events;
        const whole = reconcile(transcript, { said: saidBy(has) }).events;
        const added: EventRecord[] = [];
        let carried: Carried | undefined;
        for (let at = 0; at < transcript.length; at += size) {
          const said = saidBy([...has, ...added]);
          const found = findMissing({ entries: transcript.slice(at, at + size), said, anchored: true, carried });
          ({ carried } = found);
          const { change } = onMissingFound(fresh(), found.missing, 5000);
          added.push(...(change?.events ?? []).filter(({ type }) => type !== 'sessionStatus'));
        }
        expect(contents(added)).toEqual(contents(whole));
        const all = contents([...has, ...added]);
        expect(all).toEqual(contents(reconcile(transcript).events));
      }),
    );
  });
});

describe('without a point at which both agree', () => {
  test('entries before the first known one are left out: they expired, or precede the session', () => {
    const said = saidBy(reconcile([result('t1')]).events);
    const { events, anchored } = reconcile([...TURN, human('h2')], { said, anchored: false });
    expect(shown(events)).toEqual(['assistantMessage m2/0', 'humanMessage h2']);
    expect(anchored).toBe(true);
  });

  test('nothing is added when nothing is known, and the next page is treated in the same way', () => {
    expect(reconcile(TURN, { anchored: false })).toMatchObject({ events: [], anchored: false });
  });
});

test('nothing is added while a child can still write, or after the conversation has changed', () => {
  const id = 'conversation' as ClaudeSessionId;
  const state = { ...fresh(), record: { ...sessionRecord('session'), claudeSessionId: id } };
  expect(canReconcile(state, id)).toBe(true);
  expect(canReconcile(state, 'another')).toBe(false);
  expect(canReconcile({ ...state, turn: newTurn(0) }, id)).toBe(false);
  expect(canReconcile({ ...state, child: { phase: 'live', ready: true, input: 'open' } }, id)).toBe(false);
});

describe('in a transcript', () => {
  const user = (uuid: string, content: unknown, marks: object = {}) => ({
    type: 'user',
    uuid,
    message: { role: 'user', content },
    parent_tool_use_id: null,
    timestamp: '2026-01-01T00:00:00.000Z',
    ...marks,
  });
  const assistant = (uuid: string, content: unknown[], model = 'claude') => ({
    type: 'assistant',
    uuid,
    message: { id: `msg-${uuid.split('-')[0]}`, model, content },
    parent_tool_use_id: null,
  });

  test.each([
    ['a meta message', user('u', 'Continue from where you left off.', { is_meta: true })],
    ['a summary after compaction', user('u', 'This is what was said.', { isCompactSummary: true })],
    ['a summary without a mark', user('u', 'This session is being continued from a previous conversation that…')],
    ['a local command', user('u', '<command-name>/cost</command-name>', { isCompletedLocalCommand: true })],
    ['the output of a local command', user('u', '<local-command-stdout>x</local-command-stdout>')],
    ['the caveat of local commands', user('u', '<local-command-caveat>x</local-command-caveat>')],
    ['a command of the shell', user('u', '<bash-input>ls</bash-input>')],
    ['an interrupt', user('u', [{ type: 'text', text: '[Request interrupted by user]' }])],
    ['an interrupt of a tool', user('u', [{ type: 'text', text: '[Request interrupted by user for tool use]' }])],
    ['a task that has ended', user('u', '<task-notification>x</task-notification>')],
    ['words of another origin', user('u', 'done', { origin: { kind: 'task-notification' } })],
    ['the place of an answer', assistant('a', [{ type: 'text', text: 'No response requested.' }], '<synthetic>')],
    ['what has another shape', { type: 'user', uuid: 7 }],
  ])('%s is not a message', (_, message) => {
    expect(toEntries([message])).toEqual([]);
  });

  test('prompts, steering prompts, images, commands with a prompt and errors of the API are messages', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    const command =
      '<command-message>hello</command-message>\n<command-name>/hello</command-name>\n<command-args>you</command-args>';
    const entries = toEntries([
      user('u1', 'typed', { origin: { kind: 'human' } }),
      user('u2', [{ type: 'text', text: 'steered' }, image], { isQueuedCommand: true }),
      user('u3', command),
      assistant('a1', [{ type: 'text', text: 'API Error: 400' }], '<synthetic>'),
    ]);
    expect(entries.map((entry) => ('content' in entry ? entry.content : []))).toEqual([
      [{ type: 'text', text: 'typed' }],
      [
        { type: 'text', text: 'steered' },
        { type: 'image', mediaType: 'image/png', bytes: 3 },
      ],
      [{ type: 'text', text: '/hello you' }],
      { type: 'text', text: 'API Error: 400' },
    ]);
    expect(entries[0]).toMatchObject({ kind: 'human', uuid: 'u1', at: Date.parse('2026-01-01T00:00:00.000Z') });
  });

  test('blocks are numbered within their message, and results get the name of their tool', () => {
    const use = { type: 'tool_use', id: 't1', name: 'Bash', input: {} };
    const output = { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'out' }], is_error: true };
    expect(
      toEntries([assistant('a-1', [{ type: 'text', text: 'x' }]), assistant('a-2', [use]), user('u', [output])]),
    ).toMatchObject([
      { kind: 'block', messageId: 'msg-a', blockIndex: 0 },
      { kind: 'block', messageId: 'msg-a', blockIndex: 1 },
      { kind: 'toolResult', toolId: 't1', toolName: 'Bash', text: 'out', isError: true },
    ]);
  });

  test('pages are bounded in entries and bytes, and lose nothing', () => {
    const many = Array.from({ length: 1001 }, (_, index) => human(`h${index}`));
    expect([...pagesOf(many)].map((page) => page.length)).toEqual([500, 500, 1]);
    const large = Array.from({ length: 3 }, (_, index) => text('m', index, 'x'.repeat(5 * 1024 * 1024)));
    expect([...pagesOf(large)].map((page) => page.length)).toEqual([1, 1, 1]);
  });
});
