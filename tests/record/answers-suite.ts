/** The promises of the store of answers. */
import { expect, test } from '@jest/globals';
import type { AnswerKey, AnswerStore, BegunRequest } from '../../services/ports/answers.js';
import type { Journal } from '../../services/ports/journal.js';
import type { UserId } from '../../services/ports/records.js';
import { change, phone, sessionId } from './record-samples.js';

const keyOf = (key: string): AnswerKey => ({ userId: phone.userId, command: 'makeThing', key });
const begun = (key: string, at = 1000): BegunRequest => ({
  ...keyOf(key),
  deviceId: phone.deviceId,
  fingerprint: 'print',
  sessionId: undefined,
  at,
});
const answer = { status: 201, contentType: 'application/json', body: '{"a":"ä"}' };

interface AnswersBench {
  record(): { answers: AnswerStore; journal: Journal; fill(how: 'at once'): void; makeRoom(): void };
  reopen(): void;
}

export function testAnswers({ record, reopen }: AnswersBench): void {
  test('a request that began is known, and its answer as it was given, for a person and a command', () => {
    const { answers } = record();
    expect(answers.find(keyOf('one'), 0)).toBeUndefined();
    answers.begin(begun('one'), 0);
    answers.begin(begun('two'), 0);
    answers.finish(keyOf('two'), answer);
    reopen();
    const known = { deviceId: phone.deviceId, fingerprint: 'print' };
    expect(record().answers.find(keyOf('one'), 0)).toEqual({ ...known, answer: undefined });
    expect(record().answers.find(keyOf('two'), 1000)).toEqual({ ...known, answer });
    expect(record().answers.find(keyOf('two'), 1001)).toBeUndefined();
    expect(record().answers.find({ ...keyOf('two'), command: 'other' }, 0)).toBeUndefined();
    record().answers.release(keyOf('two'));
    expect(record().answers.find(keyOf('two'), 0)).toBeUndefined();
  });

  test('an old request makes room, and a key can begin again', () => {
    const { answers } = record();
    for (let at = 1; at <= 50; at += 1) answers.begin(begun(`old-${at}`, at), 0);
    answers.finish(keyOf('old-1'), { ...answer, body: undefined });
    for (let more = 0; more < 3; more += 1) answers.begin(begun('new', 2000 + more), 50);
    expect(answers.find(keyOf('old-49'), 0)).toBeUndefined();
    expect(answers.find(keyOf('old-50'), 0)).toBeDefined();
    expect(answers.find(keyOf('new'), 2002)).toMatchObject({ answer: undefined });
  });

  test('answers go with their session, and none is written behind it', async () => {
    const { answers, journal } = record();
    journal.commit(change({}));
    answers.begin({ ...begun('in'), sessionId }, 0);
    answers.begin(begun('made'), 0);
    answers.finish(keyOf('made'), answer, sessionId);
    answers.begin({ ...begun('late'), sessionId }, 0);
    await journal.forget(sessionId);
    answers.finish(keyOf('late'), answer);
    for (const key of ['in', 'made', 'late']) expect(answers.find(keyOf(key), 0)).toBeUndefined();
  });

  test("a person's requests go with the person", () => {
    const { answers } = record();
    const other = { ...begun('one'), userId: 'another' as UserId };
    for (const request of [begun('one'), begun('two'), other]) answers.begin(request, 0);
    answers.forgetPerson(phone.userId);
    expect(answers.find(keyOf('one'), 0)).toBeUndefined();
    expect(answers.find(keyOf('two'), 0)).toBeUndefined();
    expect(answers.find(other, 0)).toBeDefined();
  });

  test('on a full disk a request does not begin', () => {
    const { answers, fill, makeRoom } = record();
    fill('at once');
    expect(() => answers.begin(begun('full'), 0)).toThrow(expect.objectContaining({ code: 'STORAGE_FULL' }));
    makeRoom();
    expect(answers.find(keyOf('full'), 0)).toBeUndefined();
  });
}
