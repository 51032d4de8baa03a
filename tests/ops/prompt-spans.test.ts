import { expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import type { Publication, Publisher } from '../../services/ports/publication.js';
import type { EventRecord, PromptRecord, SessionChange, SessionRecord } from '../../services/ports/records.js';
import type { NewSpan } from '../../services/ports/tracing.js';
import { PromptSpans } from '../../services/telemetry/tracing/prompt-spans.js';

const sessionId = 'session' as SessionId;
const record = { sessionId } as SessionRecord;

/** Spans by name and begin; those that have ended are in `ended`. */
function watched() {
  const begun: NewSpan[] = [];
  const ended: string[] = [];
  const begin = (span: NewSpan) => {
    begun.push(span);
    const name = `${span.name} of ${span.parent as string}`;
    return { traceparent: span.name, end: () => ended.push(name) };
  };
  const spans = new PromptSpans(begin, () => 1000);
  const publisher = spans.observe({ publish: () => {}, forgotten: async () => {} } as unknown as Publisher);
  const publish = (...items: (EventRecord | Publication)[]) =>
    publisher.publish(
      { sessionId, owner: 'me' as never },
      items.map((item) => ('seq' in item ? said(item) : item)),
    );
  return { spans, begun, ended, publish, forget: () => publisher.forgotten(sessionId) };
}

const said = (event: EventRecord): Publication => ({ kind: 'event', event });
const eventOf = (type: string, fields: Partial<EventRecord> = {}) =>
  ({ seq: 1, at: 1000, data: '{}', type, ...fields }) as EventRecord;
const prompt = (name: string, fields: Partial<PromptRecord>) =>
  ({
    promptId: name,
    sessionId,
    uuid: `uuid-${name}`,
    trace: `request-${name}`,
    createdAt: 10,
    mode: 'queue',
    ...fields,
  }) as PromptRecord;
const change = (prompts: PromptRecord[], events: EventRecord[] = []): SessionChange => ({
  record,
  events,
  prompts,
  permissions: [],
});
const messageOf = (name: string) => eventOf('humanMessage', { messageId: `uuid-${name}` });
const answer = eventOf('assistantMessage', { data: '{"model":"claude"}' });

test('a turn whose lines are all one step has a first token, and the prompt behind it does not get that one', () => {
  const { spans, ended, publish } = watched();
  spans.committed(change([prompt('a', { state: 'dispatching' })], [messageOf('a')]));
  publish(messageOf('a'));
  spans.committed(change([prompt('b', { state: 'queued' })]));
  const events = [answer, eventOf('streamComplete'), messageOf('b')];
  spans.committed(
    change([prompt('a', { state: 'completed', endedAt: 2 }), prompt('b', { state: 'dispatching' })], events),
  );
  publish(...events);
  expect(ended).toEqual([
    'prompt queued of request-a',
    'claude first token of claude turn',
    'claude turn of request-a',
    'prompt queued of request-b',
  ]);
  publish(answer);
  expect(ended.at(-1)).toBe('claude first token of claude turn');
  expect(ended).toHaveLength(5);
});

test('what a subagent says, and what the CLI says itself, is no first token', () => {
  const { spans, ended, publish } = watched();
  spans.committed(change([prompt('a', { state: 'dispatching' })], [messageOf('a')]));
  const others = [{ parentToolUseId: 'tool' }, { model: '<synthetic>' }].map((data) =>
    eventOf('assistantMessage', { data: JSON.stringify(data) }),
  );
  publish(messageOf('a'), ...others);
  expect(ended).toEqual(['prompt queued of request-a']);
});

test('a prompt whose CLI died before it had begun waits again, in the same trace', () => {
  const { spans, begun, ended } = watched();
  spans.committed(change([prompt('a', { state: 'dispatching' })], [messageOf('a')]));
  spans.committed(change([prompt('a', { state: 'queued' })]));
  spans.committed(change([prompt('a', { state: 'dispatching' })]));
  expect(begun.map(({ name, parent }) => [name, parent])).toEqual([
    ['prompt queued', 'request-a'],
    ['claude turn', 'request-a'],
    ['claude first token', 'claude turn'],
    ['prompt queued', 'request-a'],
    ['claude turn', 'request-a'],
    ['claude first token', 'claude turn'],
  ]);
  expect(ended).toEqual(['prompt queued of request-a', 'claude turn of request-a', 'prompt queued of request-a']);
});

test('a prompt without a request begins a trace, of which its turn is a part', () => {
  const { spans, begun } = watched();
  const { trace: _, ...own } = prompt('a', { state: 'queued', mode: 'resume' });
  spans.committed(change([own]));
  spans.committed(change([{ ...own, state: 'dispatching' }]));
  expect(begun.map(({ parent }) => parent)).toEqual([undefined, 'prompt queued', 'claude turn']);
});

test('prompts and permissions that the next daemon finds are begun at their times', () => {
  const { spans, begun } = watched();
  const turnBegan = 500;
  const permission = { sessionId, permissionId: 'p', createdAt: 700, ask: { toolName: 'Bash' } };
  spans.found({
    record: { ...record, turnBegan },
    head: 1,
    prompts: [prompt('a', { state: 'processing' }), prompt('b', { state: 'queued' })],
    permissions: [permission as never],
  });
  expect(begun.map(({ name, at }) => [name, at])).toEqual([
    ['claude turn', 500],
    ['claude first token', 500],
    ['prompt queued', 10],
    ['permission wait', 700],
  ]);
});

test('a session that is purged leaves nothing behind', async () => {
  const { spans, begun, forget } = watched();
  const open = prompt('a', { state: 'queued' });
  spans.committed(change([open]));
  await forget();
  spans.committed(change([open]));
  expect(begun).toHaveLength(2);
});
