/** Every promise of the record's port, for a record in any state. */
import { expect, test } from '@jest/globals';
import type { PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { AnswerStore } from '../../services/ports/answers.js';
import type { CursorStore, StoredCursor } from '../../services/ports/cursors.js';
import type { Journal } from '../../services/ports/journal.js';
import type { OutboxStore } from '../../services/ports/outbox.js';
import type { DeviceRef, EventRecord, KeptChange } from '../../services/ports/records.js';
import { changed } from '../../services/push/outbox/push-record.js';
import { waitingOf } from '../push/situations.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';
import { testAnswers } from './answers-suite.js';
import { testFileAccesses } from './file-accesses-suite.js';
import {
  block,
  change,
  event,
  eventsTo,
  other,
  permissionOf,
  phone,
  promptOf,
  pushTo,
  sessionId,
  tablet,
  toolUse,
} from './record-samples.js';
import { testUsage } from './usage-suite.js';

export interface OpenRecord {
  journal: Journal;
  cursors: CursorStore;
  outbox: OutboxStore;
  answers: AnswerStore;
  /** Removes what exceeds so many events of a session. */
  trim(sessionId: SessionId, events: number): void;
  /** No write succeeds, or each that adds so many bytes fails in its middle. */
  fill(how: 'at once' | 'in the middle'): void;
  makeRoom(): void;
  close(): Promise<void>;
  /** Leaves the files as a killed process would. */
  abandon(): Promise<void>;
}

export interface RecordBench {
  /** The record, opened by the test. */
  record(): OpenRecord;
  reopen(): void;
  /** Removes or alters the contents of a blob. */
  spoil(blobId: string, how: 'removed' | 'altered'): void;
  blobs(): string[];
}

const full = expect.objectContaining({ code: 'STORAGE_FULL' });

/** Defines the tests of a record; each begins with one in the state that `bench` opens. */
export function testRecord(bench: RecordBench): void {
  testEvents(bench);
  testCommits(bench);
  testRequests(bench);
  testMessages(bench);
  testCursors(bench);
  testOutbox(bench);
  testAnswers(bench);
  testUsage(bench);
  testFileAccesses(bench);
  testBlobs(bench);
}

function testEvents({ record, reopen }: RecordBench): void {
  test('events come back as they were written, in order, without a hole, by pages', () => {
    const { journal } = record();
    const events = eventsTo(25);
    journal.commit(change({ events: events.slice(0, 10) }));
    journal.commit(change({ events: events.slice(10) }));
    const read: EventRecord[] = [];
    for (let page: EventRecord[]; ; read.push(...page)) {
      page = journal.readEvents({ sessionId, after: read.length, limit: 10 });
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(10);
    }
    expect(read).toEqual(events);
    const bytes = 2 * (events[0]?.data.length ?? 0);
    expect(journal.readEvents({ sessionId, after: 3, limit: 10, bytes }).map(({ seq }) => seq)).toEqual([4, 5, 6]);
    expect(journal.findEvent(sessionId, 7)).toEqual(events[6]);
    expect(journal.sizeOfEvent(sessionId, 7)).toBe(Buffer.byteLength(events[6]?.data ?? ''));
    expect(journal.findEvent(sessionId, 26)).toBeUndefined();
    expect(journal.sizeOfEvent(sessionId, 26)).toBeUndefined();
    expect(journal.firstSeq(sessionId)).toBe(1);
    expect(journal.firstSeq('unknown' as SessionId)).toBe(1);
    expect(journal.readEvents({ sessionId: 'unknown' as SessionId, after: 0, limit: 10 })).toEqual([]);
  });

  test('D3: what retention removed is a gap at the beginning, never a hole', async () => {
    const { journal, trim } = record();
    const asking = event(2, { type: 'permissionRequest', data: JSON.stringify({ permissionId: 'open' }) });
    const events = [event(1), asking, block(3, 'gone'), block(4, 'kept'), block(5, 'kept'), event(6)];
    journal.commit(change({ events, permissions: [permissionOf('open')] }));
    trim(sessionId, 2);
    expect(journal.firstSeq(sessionId)).toBe(5);
    expect(journal.readEvents({ sessionId, after: 0, limit: 10 }).map(({ seq }) => seq)).toEqual([5, 6]);
    expect(journal.findEvent(sessionId, 2)).toEqual(asking);
    expect(journal.findEvent(sessionId, 3)).toBeUndefined();
    const { messages, total } = await journal.readMessages({ sessionId, limit: 10, offset: 0 });
    expect([messages.map(({ id }) => id), total]).toEqual([['kept'], 1]);
    journal.commit(change({ events: [event(7)] }));
    expect(journal.readEvents({ sessionId, after: 0, limit: 10 }).map(({ seq }) => seq)).toEqual([5, 6, 7]);
  });

  test('tools are found by the id of the CLI, the last one first', () => {
    const { journal } = record();
    journal.commit(
      change({ events: [toolUse(1, 'toolu_1'), toolUse(2, 'toolu_1~0123456789ab', 'Read'), toolUse(3, 'toolu_2')] }),
    );
    expect(journal.findTool(sessionId, 'toolu_1')).toEqual({ toolId: 'toolu_1~0123456789ab', toolName: 'Read' });
    expect(journal.findTool(sessionId, 'toolu_3')).toBeUndefined();
    expect(journal.findTool(other, 'toolu_1')).toBeUndefined();
    expect(journal.isToolTaken(sessionId, 'toolu_2')).toBe(true);
    expect(journal.isToolTaken(sessionId, 'toolu_3')).toBe(false);
  });

  test('D3: the epoch is that of the journal for as long as nothing of it is lost', async () => {
    const { epoch } = record().journal;
    expect(epoch).toMatch(/^[\w-]{8,}$/);
    await record().close();
    reopen();
    expect(record().journal.epoch).toBe(epoch);
    await record().abandon();
    reopen();
    expect(record().journal.epoch).toBe(epoch);
  });
}

function testCommits({ record, reopen }: RecordBench): void {
  const everything = (): KeptChange =>
    change({ events: eventsTo(3), prompts: [promptOf('one')], permissions: [permissionOf('asked')] });

  const expectNothing = () => {
    const { journal, outbox } = record();
    expect(journal.loadSessions().map((one) => one.record.sessionId)).not.toContain(sessionId);
    expect(journal.readEvents({ sessionId, after: 0, limit: 10 })).toEqual([]);
    expect(journal.findRequest(phone, 'one')).toBeUndefined();
    expect(journal.findPermission(sessionId, 'asked' as PermissionId)).toBeUndefined();
    expect(outbox.readRequest(waitingOf('permission').sessionId, 'toolu_1')).toEqual([]);
  };

  test.each(['at once', 'in the middle'] as const)(
    'I1: a change is written whole or not at all: the disk is full %s; written again it is there',
    (how) => {
      const { journal, outbox, fill, makeRoom } = record();
      const push = pushTo(journal, 'phone');
      const large = {
        ...everything(),
        events: [...eventsTo(3), event(4, { data: JSON.stringify('x'.repeat(300_000)) })],
      };
      fill(how);
      expect(() => journal.commit(large, () => [push])).toThrow(full);
      makeRoom();
      expectNothing();
      journal.commit(large, () => [push]);
      expect(journal.readEvents({ sessionId, after: 0, limit: 10 })).toEqual(large.events);
      expect(journal.findRequest(phone, 'one')).toMatchObject({ promptId: 'one' });
      expect(outbox.readRequest(waitingOf('permission').sessionId, 'toolu_1')).toEqual([push]);
    },
  );

  test('P1: what is owed is asked for once, right before the write; without it nothing is written', () => {
    const { journal } = record();
    expect(() =>
      journal.commit(everything(), () => {
        throw new Error('a bug');
      }),
    ).toThrow('a bug');
    expectNothing();
    let asked = 0;
    journal.commit(everything(), () => {
      asked += 1;
      expectNothing();
      return [];
    });
    expect(asked).toBe(1);
  });

  test('P1: all of a change is written, or no push of it', () => {
    const { journal } = record();
    const push = pushTo(journal, 'phone');
    expect(() => journal.commit(everything(), () => [push, push])).toThrow('UNIQUE');
    expectNothing();
  });

  test('a seq, a line or a request id that is taken is refused, and nothing is damaged', () => {
    const { journal } = record();
    const line = { childId: 'child', offset: 10, part: 0 };
    journal.commit(change({ events: [event(1, { line }), event(2)], prompts: [promptOf('one')] }));
    for (const taken of [
      change({ events: [event(3), event(2)] }),
      change({ events: [event(3, { line })] }),
      change({ events: [event(3)], prompts: [promptOf('two', { requestId: 'one' })] }),
    ]) {
      expect(() => journal.commit(taken)).toThrow('UNIQUE');
    }
    journal.commit(change({ events: [event(3)], prompts: [promptOf('two', { requestId: 'two' })] }));
    expect(journal.readEvents({ sessionId, after: 0, limit: 10 }).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test.each(['close', 'abandon'] as const)('I1: what is committed is there after `%s`', async (end) => {
    record().journal.commit(everything());
    await record().journal.sync();
    await record()[end]();
    reopen();
    const { journal } = record();
    await journal.probe();
    expect(journal.readEvents({ sessionId, after: 0, limit: 10 })).toEqual(eventsTo(3));
    const stored = journal.loadSessions().find((one) => one.record.sessionId === sessionId);
    expect(stored).toEqual({
      record: sessionRecord(sessionId),
      head: 3,
      prompts: [promptOf('one')],
      permissions: [permissionOf('asked')],
    });
  });

  test('a session that is forgotten is gone with all its data, and no other is', async () => {
    const { journal, cursors, outbox } = record();
    const push = { ...pushTo(journal, 'phone'), sessionId };
    journal.commit(everything(), () => [push]);
    journal.commit(change({ events: eventsTo(2) }, other));
    await journal.readMessages({ sessionId, limit: 1, offset: 0 });
    cursors.writeCursors(phone, new Map([sessionId, other].map((id) => [id, { seq: 1, epoch: journal.epoch }])));
    await journal.forget(sessionId);
    expectNothing();
    expect(journal.findPrompt('one' as PromptId)).toBeUndefined();
    expect([...cursors.readCursors(phone).keys()]).toEqual([other]);
    outbox.write({ changed: [push] });
    expect(outbox.readOpen().map(({ pushId }) => pushId)).not.toContain(push.pushId);
    expect(journal.readEvents({ sessionId: other, after: 0, limit: 10 })).toHaveLength(2);
  });
}

function testRequests({ record }: RecordBench): void {
  test('I1: a request is found by the id that its device gave it, with its first answer, also when it has ended', () => {
    const { journal } = record();
    journal.commit(change({ prompts: [promptOf('one')] }));
    expect(journal.findRequest(phone, 'one')).toEqual(promptOf('one'));
    expect(journal.findRequest(tablet, 'one')).toBeUndefined();
    expect(journal.findRequest({ ...phone, userId: 'else' as DeviceRef['userId'] }, 'one')).toBeUndefined();
    const outcome = { subtype: 'success', isError: false, finalResult: 'x', durationMs: 1, numTurns: 1 };
    const ended = promptOf('one', { state: 'completed', announced: true, endedAt: 9, outcome });
    journal.commit(change({ prompts: [ended] }));
    expect(journal.findRequest(phone, 'one')).toEqual(ended);
    expect(journal.findPrompt('one' as PromptId)).toEqual(ended);
    expect(journal.findPrompt('two' as PromptId)).toBeUndefined();
    // Another device can use the same id.
    journal.commit(change({ prompts: [promptOf('theirs', { device: tablet, requestId: 'one' })] }));
    expect(journal.findRequest(tablet, 'one')?.promptId).toBe('theirs');
  });

  test('what waits is loaded in the order of its writing; what has ended is not', () => {
    const { journal } = record();
    const prompts = ['c', 'a', 'b'].map((name) => promptOf(name));
    journal.commit(change({ prompts, permissions: [permissionOf('z'), permissionOf('y')] }));
    journal.commit(change({ prompts: [promptOf('a', { state: 'cancelled', endedAt: 9 })] }));
    const decided = permissionOf('z', { decision: 'allow', byDeviceId: 'phone', answer: { behavior: 'allow' } });
    journal.commit(change({ permissions: [decided] }));
    const loaded = () => journal.loadSessions().find((one) => one.record.sessionId === sessionId);
    expect(loaded()?.prompts.map(({ promptId }) => promptId)).toEqual(['c', 'b']);
    expect(loaded()?.permissions).toEqual([decided, permissionOf('y')]);
    const { answer: _, ...read } = decided;
    journal.commit(change({ permissions: [read] }));
    expect(loaded()?.permissions).toEqual([permissionOf('y')]);
    expect(journal.findPermission(sessionId, 'z' as PermissionId)).toMatchObject({
      decision: 'allow',
      ask: { input: {} },
    });
    expect(journal.findPermission(other, 'z' as PermissionId)).toBeUndefined();
  });
}

function testMessages({ record }: RecordBench): void {
  test('messages are whole, in the order of their beginnings, from either end', async () => {
    const { journal } = record();
    const human = event(1, {
      type: 'humanMessage',
      messageId: 'm1',
      data: JSON.stringify({ content: [{ type: 'text', text: 'q' }] }),
    });
    const sub = block(3, 'sub', { parentToolUseId: 'task' });
    const events = [human, block(2, 'm2'), sub, block(4, 'm3'), block(5, 'm2'), event(6), block(7, 'm4')];
    journal.commit(change({ events }));
    const page = (limit: number, offset: number, rest = {}) =>
      journal.readMessages({ sessionId, limit, offset, ...rest });
    const ids = async (...given: Parameters<typeof page>) => (await page(...given)).messages.map(({ id }) => id);
    expect(await ids(10, 0)).toEqual(['m1', 'm2', 'm3', 'm4']);
    expect(await ids(2, 1)).toEqual(['m2', 'm3']);
    expect(await ids(2, 1, { backwards: true })).toEqual(['m2', 'm3']);
    expect(await ids(10, 0, { after: 1, before: 7 })).toEqual(['m2', 'm3']);
    expect(await page(1, 0)).toMatchObject({ total: 4, hasBegun: true, messages: [{ type: 'user', seq: 1 }] });
    const [, m2] = (await page(10, 0)).messages;
    expect(m2).toMatchObject({ type: 'assistant', seq: 2, content: [{ text: 'block 2' }, { text: 'block 5' }] });
    expect((await journal.readNewestMessages(sessionId, 2)).map(({ id }) => id)).toEqual(['m3', 'm4']);
    journal.commit(change({ events: [block(8, 'm5')] }));
    expect((await journal.readNewestMessages(sessionId, 1)).map(({ id }) => id)).toEqual(['m5']);
    const nothing = await journal.readMessages({ sessionId: other, limit: 1, offset: 0 });
    expect(nothing).toEqual({ messages: [], total: 0, hasBegun: false });
  });

  test('what is known of a message, a tool and its result is found by the ids of the CLI', async () => {
    const { journal } = record();
    const result = event(3, { type: 'toolResult', data: JSON.stringify({ toolId: 'toolu_1' }) });
    const line = { childId: 'child', offset: 10, part: 0 };
    journal.commit(change({ events: [{ ...block(1, 'm1'), line }, toolUse(2, 'toolu_1'), result] }));
    const query = { sessionId, messageIds: ['m1', 'm2'], toolIds: ['toolu_1', 'toolu_2'], toolsAfter: 0 };
    const found = await journal.findKnownContent(query);
    expect(found.messages).toEqual(
      new Map([
        ['m1', [{ blockIndex: 1, content: [{ type: 'text', text: 'block 1' }], partial: false, isLate: true }]],
      ]),
    );
    expect([found.toolUses, found.toolResults]).toEqual([new Set(['toolu_1']), new Set(['toolu_1'])]);
    const later = await journal.findKnownContent({ ...query, toolsAfter: 3 });
    expect([later.toolUses, later.toolResults]).toEqual([new Set(), new Set()]);
    const start = { messageId: 'm1', childId: 'child', offset: 10 };
    expect(journal.isMessageTaken(sessionId, start)).toBe(false);
    expect(journal.isMessageTaken(sessionId, { ...start, childId: 'next' })).toBe(true);
    expect(journal.isMessageTaken(sessionId, { ...start, messageId: 'm2' })).toBe(false);
  });
}

function testCursors({ record }: RecordBench): void {
  const subscription = { events: ['*'], all: true, acknowledges: false, seenAt: 7 };
  const at = (seq: number, epoch = 'e1'): ReadonlyMap<SessionId, StoredCursor> =>
    new Map([[sessionId, { seq, epoch }]]);
  const place = () => record().cursors.readCursors(phone).get(sessionId);

  test('D2: a cursor moves forward only, in an epoch, and only in a stored session', () => {
    const { journal, cursors } = record();
    cursors.writeCursors(phone, at(1));
    expect(place()).toBeUndefined();
    journal.commit(change({ events: eventsTo(9) }));
    for (const [seq, expected] of [
      [4, 4],
      [3, 4],
      [5, 5],
    ] as const) {
      cursors.writeCursors(phone, at(seq));
      expect(place()).toEqual({ seq: expected, epoch: 'e1' });
    }
    cursors.writeCursors(phone, at(2, 'e2'));
    expect(place()).toEqual({ seq: 2, epoch: 'e2' });
    expect(cursors.readCursors(tablet).get(sessionId)).toBeUndefined();
    cursors.removeCursors(phone, [sessionId]);
    expect(place()).toBeUndefined();
  });

  test('D2: a subscription is written with the cursors that begin with it, or neither is', () => {
    const { journal, cursors, fill, makeRoom } = record();
    journal.commit(change());
    fill('at once');
    expect(() => cursors.writeSubscription(phone, subscription, at(3))).toThrow(full);
    makeRoom();
    expect([cursors.readSubscription(phone), place()]).toEqual([undefined, undefined]);
    cursors.writeSubscription(phone, subscription, at(3));
    expect(cursors.readSubscription(phone)).toEqual(subscription);
    expect(place()).toEqual({ seq: 3, epoch: 'e1' });
    cursors.writeSubscription(phone, { ...subscription, all: false, isNameless: true });
    expect(cursors.readSubscription(phone)).toEqual({ ...subscription, all: false, isNameless: true });
    expect(place()).toEqual({ seq: 3, epoch: 'e1' });
  });

  test('devices are listed with the time when they were last seen, until they are forgotten', () => {
    const { journal, cursors } = record();
    journal.commit(change());
    cursors.markSeen(phone, 8);
    const known = () =>
      cursors.readDevices().filter((one) => one.userId === phone.userId && one.deviceId === phone.deviceId);
    expect(known()).toEqual([]);
    cursors.writeSubscription(phone, subscription, at(3));
    cursors.markSeen(phone, 9);
    expect(known()).toEqual([{ ...phone, seenAt: 9, isNameless: false }]);
    cursors.forgetSession(sessionId);
    expect(place()).toBeUndefined();
    cursors.writeCursors(phone, at(3));
    cursors.forgetDevice(phone);
    expect([known(), cursors.readSubscription(phone), place()]).toEqual([[], undefined, undefined]);
  });
}

function testOutbox({ record, reopen }: RecordBench): void {
  const open = () =>
    record()
      .outbox.readOpen()
      .filter(({ device }) => device.userId === 'pushed');

  test('P1: what is owed is there after a restart, with all that was written of it, oldest first', async () => {
    const { journal, outbox } = record();
    const [push, next] = [pushTo(journal, 'phone'), pushTo(journal, 'tablet')];
    outbox.write({ added: [push, next] });
    const actions = { deny: ['00ff'] };
    const sending = changed(push, { state: 'sending', at: 2000, reason: 'why', actions, attempts: 1, nextTry: 3000 });
    outbox.write({ changed: [sending] });
    await record().close();
    reopen();
    expect(open()).toEqual([sending, next]);
    expect(record().outbox.readRequest(waitingOf('permission').sessionId, 'toolu_1')).toEqual([sending, next]);
  });

  test('P1: pushes are written all or not at all; one that is not there is not changed', () => {
    const { journal, outbox, fill, makeRoom } = record();
    const [push, next] = [pushTo(journal, 'phone'), pushTo(journal, 'tablet')];
    expect(() => outbox.write({ added: [push, push] })).toThrow('UNIQUE');
    outbox.write({ changed: [push] });
    expect(open()).toEqual([]);
    outbox.write({ added: [push] });
    fill('at once');
    const accepted = changed(push, { state: 'accepted', at: 2000 });
    expect(() => outbox.write({ added: [next], changed: [accepted] })).toThrow(full);
    makeRoom();
    expect(open()).toEqual([push]);
  });

  test('outcomes are listed by pages, newest first, and removed by their age', () => {
    const { journal, outbox } = record();
    const pushes = [1, 2, 3].map((at) => pushTo(journal, `device-${at}`, at * 1000));
    outbox.write({ added: pushes });
    const userId = 'pushed' as DeviceRef['userId'];
    const page = outbox.readPage(userId, { limit: 2, offset: 1 });
    expect([page.pushes, page.total]).toEqual([[pushes[1], pushes[0]], 3]);
    const done = pushes.slice(0, 2).map((push) => changed(push, { state: 'failed', at: push.createdAt, reason: 'x' }));
    outbox.write({ changed: done });
    while (outbox.prune(1500));
    expect(outbox.readPage(userId, { limit: 9, offset: 0 }).pushes).toEqual([pushes[2], done[1]]);
    while (outbox.prune(9000));
    expect(outbox.readPage(userId, { limit: 9, offset: 0 }).pushes).toEqual([pushes[2]]);
  });
}

function testBlobs({ record, spoil, blobs }: RecordBench): void {
  const image = { mediaType: 'image/png', data: Buffer.from('abc') };
  const untilBlobs = (expected: string[]) =>
    waitUntil('no other blob is there', () => JSON.stringify(blobs()) === JSON.stringify(expected));

  test('the parts of a prompt are read as they were kept; missing or damaged ones are told', async () => {
    const { journal } = record();
    const long = { text: 'ä'.repeat(50_000), images: [image, image] };
    const kept = await journal.keepContents(long);
    expect(kept.text.length).toBeLessThan(2000);
    expect(await journal.readContents(kept)).toEqual(long);
    expect(await journal.keepContents({ text: 'short', images: [] })).toEqual({ text: 'short' });
    expect(await journal.readContents({ text: 'short' })).toEqual({ text: 'short', images: [] });
    for (const how of ['altered', 'removed'] as const) {
      spoil(kept.body?.id ?? '', how);
      await expect(journal.readContents(kept)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('the blob of a prompt is removed when it has ended', async () => {
    const { journal } = record();
    const before = blobs();
    const prompt = promptOf('one', await journal.keepContents({ text: 'short', images: [image] }));
    journal.commit(change({ prompts: [prompt] }));
    expect(journal.findPrompt('one' as PromptId)).toEqual(prompt);
    journal.commit(change({ prompts: [{ ...prompt, state: 'completed', endedAt: 9 }] }));
    await untilBlobs(before);
    expect(journal.findPrompt('one' as PromptId)?.body).toBeUndefined();
  });

  test('a large event is kept whole beside its row, and leaves nothing when its change is refused', async () => {
    const { journal, fill, makeRoom } = record();
    const before = blobs();
    const whole = JSON.stringify('x'.repeat(400_000));
    const cut = change({ events: [event(1)] });
    const large = { ...cut, events: [{ ...event(1), whole }, event(2)] };
    const refused = await journal.keepEvents(large);
    fill('at once');
    expect(() => journal.commit(refused)).toThrow(full);
    makeRoom();
    await untilBlobs(before);
    const kept = await journal.keepEvents(large);
    journal.commit(kept);
    const [first, second] = journal.readEvents({ sessionId, after: 0, limit: 9 });
    expect([first, second]).toEqual(kept.events);
    expect(first?.blob && (await journal.blobs.read(first.blob)).toString()).toBe(whole);
    await journal.forget(sessionId);
    await untilBlobs(before);
  });
}
