/** The store of the console: what it shows follows from the events, however often the connection broke between them. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClientEvent, PositionedData } from '../../client/browser.js';
import type { ToldBlock, ToldMessage } from '../../protocol/history.js';
import type { SessionView } from '../../protocol/rest.js';
import { languageOf } from '../../web/store/code-language.js';
import {
  type Action,
  type ConsoleState,
  EMPTY,
  type PermissionRequest,
  reduce,
} from '../../web/store/console-state.js';
import { keptOf } from '../../web/store/kept.js';
import { canAllowAtOnce } from '../../web/store/safe-answer.js';
import { countOf } from '../support/counts.js';

test('one key or one swipe allows only what needs nothing else', () => {
  const request = { kind: 'tool' } as PermissionRequest;
  const allowed = [
    request,
    { ...request, oneTap: true },
    { ...request, oneTap: false },
    { ...request, defaultToNo: true },
    { ...request, kind: 'plan' as const },
    { ...request, kind: 'question' as const, oneTap: true },
  ].map(canAllowAtOnce);
  expect(allowed).toEqual([true, true, false, false, false, false]);
});

test('code is coloured in known languages, up to 20,000 characters with lines of up to 2,000', () => {
  const line = 'x'.repeat(2000);
  const lines = `${'x'.repeat(99)}\n`.repeat(200);
  const named = [
    'ts',
    'TSX title="a.tsx"',
    'python',
    'sh',
    'html',
    'brainfuck',
    'constructor',
    '__proto__',
    '',
    undefined,
  ];
  expect(named.map((name) => languageOf(name, 'x'))).toEqual([
    'typescript',
    'typescript',
    'python',
    'bash',
    'xml',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const codes = [line, `${line}x`, lines, `${lines}x`];
  expect(codes.map((code) => languageOf('ts', code) !== undefined)).toEqual([true, false, true, false]);
});

const RUNS = countOf({ full: 20_000, fast: 500 });
const SESSION = 'session';
const AT = '2026-01-01T00:00:00.000Z';

/** What happens in a session, in order: an event, or a piece of a text that is being written. */
type Step = { event: ClientEvent } | { piece: PositionedData<'streamData'> };

const event = (seq: number, type: string, data: object): Step => ({
  event: { sessionId: SESSION, seq, epoch: 'e', replayed: false, at: AT, type, data } as unknown as ClientEvent,
});

interface Happening {
  kind: 'human' | 'text' | 'tool' | 'notice' | 'asked' | 'end' | 'status';
  pieces: string[];
}

const happening: fc.Arbitrary<Happening> = fc.record({
  kind: fc.constantFrom('human', 'text', 'text', 'tool', 'notice', 'asked', 'end', 'status'),
  pieces: fc.array(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 }),
});

/** The later, the newer. */
const statusAt = (seq: number, isEven: boolean) => ({
  sessionId: SESSION,
  status: isEven ? ('working' as const) : ('idle' as const),
  lastActivity: new Date(Date.parse(AT) + seq).toISOString(),
});

/** What is said of each happening, as types and data of events; a text has its pieces before its event. */
const TOLD: Record<
  Happening['kind'],
  (of: { id: string; text: string; isEven: boolean; seq: number }) => [string, object][]
> = {
  human: ({ id, text }) => [['humanMessage', { messageId: id, promptId: id, content: [{ type: 'text', text }] }]],
  tool: ({ id, text, isEven }) => [
    ['toolUse', { toolId: id, toolName: 'Bash', toolInput: { command: text } }],
    ...(isEven ? [['notice', { level: 'info', message: text }] satisfies [string, object]] : []),
    ['toolResult', { toolId: id, toolName: 'Bash', success: true, result: text }],
  ],
  notice: ({ text }) => [['notice', { level: 'warning', message: text }]],
  end: ({ id }) => [
    ['streamComplete', { promptId: id, subtype: 'success', isError: false, finalResult: '', duration: 1 }],
  ],
  status: ({ seq, text, isEven }) => [
    ['sessionStatus', { ...statusAt(seq, isEven), queue: [{ promptId: text, text, mode: 'queue' }], queueDepth: seq }],
  ],
  asked: ({ id, text, isEven }) => [
    ['permissionRequest', { permissionId: id, sessionId: SESSION, prompt: text }],
    ...(isEven
      ? [['permissionResolved', { permissionId: id, sessionId: SESSION, decision: 'allow' }] satisfies [string, object]]
      : []),
  ],
  text: ({ id, text }) => [
    ['notice', { level: 'info', message: 'meanwhile' }],
    ['assistantMessage', { messageId: id, blockIndex: 0, content: [{ type: 'text', text }] }],
  ],
};

function piecesOf(id: string, pieces: readonly string[]): Step[] {
  const data = { sessionId: SESSION, streamType: 'assistant_message', messageId: id, blockIndex: 0 } as const;
  return pieces.map((text, index) => {
    const offset = pieces.slice(0, index).join('').length;
    return { piece: { ...data, offset, isComplete: false, content: { type: 'text', text } } };
  });
}

/** A text is streamed while other things happen, and its event comes after its pieces. */
function stepsOf(happenings: readonly Happening[]): Step[] {
  let seq = 0;
  return happenings.flatMap(({ kind, pieces }, index) => {
    const id = `${kind}-${index}`;
    const events = TOLD[kind]({ id, text: pieces.join(''), isEven: index % 2 === 0, seq: seq + 1 }).map(
      ([type, data]) => {
        seq += 1;
        return event(seq, type, data);
      },
    );
    return kind === 'text' ? [...piecesOf(id, pieces), ...events] : events;
  });
}

const actionOf = (step: Step): Action =>
  'event' in step
    ? { do: 'event', event: step.event }
    : { do: 'frame', frame: { type: 'streamData', data: step.piece } };

const OPENED: Action = { do: 'opened', sessionId: SESSION, after: 0, olderThan: undefined };
const shownBy = (actions: readonly Action[]): ConsoleState => [OPENED, ...actions].reduce(reduce, EMPTY);
const pictureOf = ({ transcripts, permissions }: ConsoleState) => ({
  items: transcripts.get(SESSION)?.items,
  seq: transcripts.get(SESSION)?.seq,
  permissions: [...permissions.keys()],
});

interface Cut {
  /** After which step the connection breaks, and how far back the next one begins. */
  at: number;
  back: number;
  /** The text of open blocks comes again from its beginning. */
  whole: boolean;
  /** Pieces that are never sent, since their reader was too slow. */
  skipped: number;
}

const cut: fc.Arbitrary<Cut> = fc.record({
  at: fc.nat(60),
  back: fc.nat(12),
  whole: fc.boolean(),
  skipped: fc.nat(3),
});

const LOST: Action = { do: 'connection', state: { kind: 'waiting', attempt: 1, delayMs: 1, because: 'cut' } };

/** The same steps over connections that break: some come again, some pieces never. */
function broken(steps: readonly Step[], cuts: readonly Cut[]): Action[] {
  const isSkipped = (index: number) => cuts.some(({ at, skipped }) => index > at && index <= at + skipped);
  return steps.flatMap((step, index) => {
    const here = cuts.find(({ at }) => at === index);
    const again = here ? steps.slice(Math.max(0, index - here.back), index) : [];
    const repeated = again.filter((one) => 'event' in one || here?.whole).map(actionOf);
    const now = 'piece' in step && isSkipped(index) ? [] : [actionOf(step)];
    return [...(here ? [LOST] : []), ...repeated, ...now];
  });
}

test('D1, D4: any cuts, repeats and lost pieces of text end in what an unbroken connection shows', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 14 }), fc.array(cut, { maxLength: 6 }), (happenings, cuts) => {
      const steps = stepsOf(happenings);
      const whole = pictureOf(shownBy(steps.map(actionOf)));
      expect(pictureOf(shownBy(broken(steps, cuts)))).toEqual(whole);
      // The list of sessions can fail at any time: what is known stays.
      const failed = shownBy([...steps.map(actionOf), { do: 'listFailed', because: 'the network' }]);
      expect(pictureOf(failed)).toEqual(whole);
    }),
    { numRuns: RUNS },
  );
});

type Interruption = { at: number; back: number } & (
  | { kind: 'cut'; whole: boolean; skipped: number }
  | { kind: 'list' | 'listFailed' | 'open' | 'openFailed' | 'queue' | 'tooLate' | 'kept' | 'detail' }
);

const when = { at: fc.nat(60), back: fc.nat(12) };
const interruption: fc.Arbitrary<Interruption> = fc.oneof(
  fc.record({ ...when, kind: fc.constant('cut' as const), whole: fc.boolean(), skipped: fc.nat(3) }),
  fc.record({
    ...when,
    kind: fc.constantFrom('list', 'listFailed', 'open', 'openFailed', 'queue', 'tooLate', 'kept', 'detail' as const),
  }),
);

type Known = Extract<ClientEvent, { type: 'sessionStatus' }>['data'];

/** What the daemon would have answered after so many steps. */
const statusAfter = (steps: readonly Step[], count: number): Known | undefined =>
  steps
    .slice(0, Math.max(0, count))
    .flatMap((step) => ('event' in step && step.event.type === 'sessionStatus' ? [step.event.data] : []))
    .at(-1);

const viewOf = (status: Known | undefined): SessionView =>
  ({ sessionId: SESSION, lastActivity: AT, status: 'idle', ...status }) as SessionView;

/** What a person or the page does meanwhile, with answers of the daemon that can be old when they come. */
const MEANWHILE: Record<
  Exclude<Interruption['kind'], 'cut'>,
  (steps: readonly Step[], index: number, back: number) => Action[]
> = {
  list: (steps, index, back) => [{ do: 'listed', sessions: [viewOf(statusAfter(steps, index - back))] }],
  listFailed: () => [{ do: 'listFailed', because: 'the network' }],
  open: (steps, index) => [
    { do: 'opening', sessionId: SESSION },
    OPENED,
    ...steps.slice(0, index).map(actionOf),
    { do: 'caughtUp', sessionId: SESSION },
  ],
  openFailed: (steps, index) => [
    { do: 'openFailed', sessionId: SESSION, because: 'the network', isGone: false },
    ...MEANWHILE.open(steps, index, 0),
  ],
  queue: (steps, index, back) => {
    const { queue = [], queueDepth = 0 } = statusAfter(steps, index - back) ?? {};
    return [{ do: 'queued', sessionId: SESSION, queue: { prompts: queue, depth: queueDepth, isHeld: false } }];
  },
  tooLate: () => [{ do: 'tooLate', request: undefined }],
  kept: () => [{ do: 'kept', kept: { at: AT, sessions: [], transcripts: new Map() } }],
  detail: () => [{ do: 'detail', sessionId: SESSION, detail: { context: { kind: 'failed', because: 'busy' } } }],
};

/** The same steps, with all that interrupts them. */
function interrupted(steps: readonly Step[], interruptions: readonly Interruption[]): Action[] {
  const cuts = interruptions.flatMap((one) => (one.kind === 'cut' ? [one] : []));
  const isSkipped = (index: number) => cuts.some(({ at, skipped }) => index > at && index <= at + skipped);
  return steps.flatMap((step, index) => {
    const before = interruptions
      .filter(({ at }) => at === index)
      .flatMap((one) => {
        if (one.kind !== 'cut') return MEANWHILE[one.kind](steps, index, one.back);
        const again = steps.slice(Math.max(0, index - one.back), index);
        return [LOST, ...again.filter((other) => 'event' in other || one.whole).map(actionOf)];
      });
    return [...before, ...('piece' in step && isSkipped(index) ? [] : [actionOf(step)])];
  });
}

const NOTHING_WAITS = { prompts: [], depth: 0, isHeld: false };

/** All that a view shows of the session. */
const wholePictureOf = (state: ConsoleState) => {
  const { view, status } = state.sessions.get(SESSION) ?? {};
  return {
    ...pictureOf(state),
    status: status?.status ?? view?.status,
    queue: state.queues.get(SESSION) ?? NOTHING_WAITS,
    settings: state.settings.get(SESSION),
  };
};

test('D1, D4: any frames, cuts and actions of a person, in any order, end in what an unbroken client shows', () => {
  const listed: Action = { do: 'listed', sessions: [viewOf(undefined)] };
  fc.assert(
    fc.property(
      fc.array(happening, { maxLength: 14 }),
      fc.array(interruption, { maxLength: 8 }),
      (happenings, interruptions) => {
        const steps = stepsOf(happenings);
        const whole = wholePictureOf(shownBy([listed, ...steps.map(actionOf)]));
        expect(wholePictureOf(shownBy([listed, ...interrupted(steps, interruptions)]))).toEqual(whole);
      },
    ),
    { numRuns: RUNS },
  );
});

/** As the history has them, which knows neither ends nor notices. */
function historyOf(happenings: readonly Happening[]): ToldMessage[] {
  return happenings.flatMap(({ kind, pieces }, index): ToldMessage[] => {
    const id = `${kind}-${index}`;
    const message = { id, timestamp: AT, type: kind === 'human' ? 'user' : 'assistant' } as ToldMessage;
    const text = pieces.join('');
    if (kind === 'human' || kind === 'text') return [{ ...message, content: [{ type: 'text', text }] }];
    const tool = { type: 'tool_use', id, name: 'Bash', input: { command: text }, result: { success: true, text } };
    return kind === 'tool' ? [{ ...message, content: [tool as ToldBlock] }] : [];
  });
}

const saidIn = (state: ConsoleState) =>
  state.transcripts
    .get(SESSION)
    ?.items.filter(({ kind }) => kind === 'human' || kind === 'text' || kind === 'tool')
    .map((item) => [item.kind, item.key, 'text' in item ? item.text : 'input' in item && item.input]);

test('older messages that come in at any moment are before the others, once, whatever is cut meanwhile', () => {
  fc.assert(
    fc.property(
      fc.array(happening, { minLength: 1, maxLength: 14 }),
      fc.array(cut, { maxLength: 4 }),
      fc.nat(14),
      fc.nat(60),
      (happenings, cuts, first, moment) => {
        const begin = stepsOf(happenings.slice(0, first));
        const after = begin.filter((step) => 'event' in step).length;
        const steps = stepsOf(happenings);
        const newer = broken(steps.slice(begin.length), cuts);
        const older: Action = {
          do: 'older',
          sessionId: SESSION,
          messages: historyOf(happenings.slice(0, first)),
          olderThan: undefined,
        };
        const opened: Action = { do: 'opened', sessionId: SESSION, after, olderThan: after };
        const actions = [opened, ...newer.toSpliced(moment, 0, older)];
        expect(saidIn(actions.reduce(reduce, EMPTY))).toEqual(saidIn(shownBy(steps.map(actionOf))));
      },
    ),
    { numRuns: RUNS },
  );
});

test('a text is shown as far as its pieces join, and no further', () => {
  const [first, second, third] = stepsOf([{ kind: 'text', pieces: ['One, ', 'two, ', 'three.'] }])
    .filter((step) => 'piece' in step)
    .map(actionOf);
  if (!first || !second || !third) throw new Error('there are three pieces');
  const textOf = (actions: Action[]) => {
    const [item] = pictureOf(shownBy(actions)).items ?? [];
    return item && 'text' in item ? item.text : undefined;
  };
  expect(textOf([first, third])).toBe('One, ');
  expect(textOf([first, second, first, third])).toBe('One, two, three.');
  expect(textOf([second])).toBe(undefined);
});

test('an event that is not the next one changes no transcript', () => {
  const steps = stepsOf([
    { kind: 'human', pieces: ['Hello.'] },
    { kind: 'notice', pieces: ['Ready.'] },
  ]).map(actionOf);
  expect(pictureOf(shownBy(steps.slice(1))).items).toEqual([]);
  expect(pictureOf(shownBy([...steps, ...steps])).items).toHaveLength(2);
});

test('a session that the list lacks is gone, and one that is newer than its view keeps its status', () => {
  const view = (sessionId: string) => ({ sessionId, lastActivity: AT, status: 'idle' }) as SessionView;
  const listed = (...ids: string[]): Action => ({ do: 'listed', sessions: ids.map(view) });
  const working = event(1, 'sessionStatus', {
    sessionId: 'one',
    status: 'working',
    lastActivity: '2026-01-02T00:00:00.000Z',
  });
  const { sessions } = [listed('one', 'two'), actionOf(working), listed('one')].reduce(reduce, EMPTY);
  expect([...sessions.keys()]).toEqual(['one']);
  expect(sessions.get('one')?.status?.status).toBe('working');
});

test('what is kept for later is bounded, without a text that is being written, and survives sessions that are not opened', () => {
  const steps = stepsOf(
    Array.from({ length: 150 }, (): Happening => ({ kind: 'text', pieces: ['x'.repeat(30_000)] })),
  ).map(actionOf);
  const view = { sessionId: SESSION, lastActivity: AT } as SessionView;
  const live: Action[] = [
    { do: 'listed', sessions: [view] },
    { do: 'caughtUp', sessionId: SESSION },
  ];
  const writing: Action = actionOf(piecesOf('open', ['Half a'])[0] as Step);
  const first = keptOf([...live, writing].reduce(reduce, shownBy(steps)), undefined, AT);
  const items = first.transcripts.get(SESSION)?.items ?? [];
  expect(items).toHaveLength(100);
  expect(JSON.stringify(items)).not.toContain('Half a');
  expect(JSON.stringify(items).length).toBeLessThan(100 * 21_000);
  const unopened = reduce(EMPTY, { do: 'listed', sessions: [view] });
  expect(keptOf(unopened, first, 'later').transcripts.get(SESSION)?.at).toBe(AT);
  // It was purged.
  expect(keptOf(reduce(EMPTY, { do: 'listed', sessions: [] }), first, 'later').transcripts.size).toBe(0);
});
