/** What webhooks are owed, over a journal on disk and with a clock of the test. */
import { describe, expect, jest, test } from '@jest/globals';
import type { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import { verified } from '../support/webhook-server.js';
import { budgetOf, requestOf, turnOf } from './situations.js';
import {
  answered,
  DAY,
  HANGS,
  HOUR,
  idOf,
  MINUTE,
  type Said,
  SECOND,
  START,
  TURN,
  useWebhooks,
} from './support/webhook-stage.js';

/** Before jitter. */
const PAUSES = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

const stage = useWebhooks();

const codeOf = async (action: () => unknown) => {
  try {
    await action();
    return 'none';
  } catch (error) {
    return (error as CompanionError).code;
  }
};

describe('a message', () => {
  test.each([
    ['permission', { type: 'permissionRequest', data: JSON.stringify(requestOf()) }],
    ['turn_complete', TURN],
    ['turn_failed', { type: 'streamComplete', data: JSON.stringify(turnOf({ subtype: 'failed', isError: true })) }],
    ['limit', { type: 'streamComplete', data: JSON.stringify(turnOf({ subtype: 'usage_limit', isError: true })) }],
    ['given_up', { type: 'error', data: JSON.stringify({ message: 'A secret.', givenUp: true }) }],
    ['budget', { type: 'budget', data: JSON.stringify(budgetOf().budget) }],
  ] satisfies [string, Said][])('tells of %s, in no words of the conversation', async (type, said) => {
    const { secret } = await stage.add();
    stage.commit([said]);
    await stage.settle();
    const [post] = stage.posts;
    if (!post) throw new Error('nothing was sent');
    const told = verified(secret, { path: '', headers: post.headers, body: post.body });
    expect(told).toMatchObject({ type, timestamp: new Date(START).toISOString() });
    expect(told.data).toMatchObject({ sessionId: 'session', seq: 1, project: expect.any(String) });
    expect(Object.keys(told.data)).not.toEqual(
      expect.arrayContaining(['finalResult', 'message', 'toolInput', 'prompt']),
    );
    expect(post.body.length).toBeLessThan(4096);
  });

  test('is not made of what concerns nobody, of a turn that a person stopped, or for a program', async () => {
    const { webhook } = await stage.add();
    stage.commit([{ type: 'streamComplete', data: JSON.stringify(turnOf({ subtype: 'interrupted' })) }]);
    stage.commit([TURN], 'program', { ofProgram: true });
    stage.commit([TURN], 'theirs', { owner: 'somebody' });
    await stage.settle();
    expect(stage.deliveries(webhook)).toEqual([]);
  });

  test('P2: is sent again with growing pauses under its id, and given up after three days', async () => {
    const { webhook, secret } = await stage.add();
    stage.answers = () => answered(500);
    stage.commit([TURN]);
    await stage.settle();
    for (const pause of PAUSES) {
      const due = Math.round(pause * 1.1);
      const sent = stage.posts.length;
      await stage.pass(due - 1);
      expect(stage.posts).toHaveLength(sent);
      await stage.pass(1);
      expect(stage.posts).toHaveLength(sent + 1);
    }
    expect(stage.posts).toHaveLength(10);
    expect(new Set(stage.posts.map(idOf)).size).toBe(1);
    expect(new Set(stage.posts.map(({ body }) => body)).size).toBe(1);
    for (const { at, headers } of stage.posts) expect(headers['webhook-timestamp']).toBe(String(Math.floor(at / 1000)));
    expect(new Set(stage.posts.map(({ headers }) => headers['webhook-signature'])).size).toBe(10);
    const last = stage.posts.at(-1);
    expect(last && verified(secret, { path: '', ...last }).type).toBe('turn_complete');
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'failed', reason: 'given_up', attempts: 10 }]);
    await stage.pass(2 * DAY);
    expect(stage.posts).toHaveLength(10);
  });

  test.each([
    ['120', 120 * SECOND],
    [new Date(START + HOUR).toUTCString(), HOUR],
    ['1', 5.5 * SECOND],
    ['999999999', DAY],
    ['-5', 5.5 * SECOND],
    ['soon', 5.5 * SECOND],
  ])('with Retry-After: %s is sent again after it, within bounds', async (retryAfter, ms) => {
    const { webhook } = await stage.add();
    stage.answers = () => answered(429, retryAfter);
    stage.commit([TURN]);
    await stage.settle();
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'owed', nextTry: START + ms, last: { status: 429 } }]);
  });

  test.each([
    [answered(302), 'redirect'],
    [answered(404), 'status'],
    [answered(199), 'status'],
    [{ kind: 'failed', failure: 'timeout' } as const, 'timeout'],
    [{ kind: 'failed', failure: 'private_address' } as const, 'private_address'],
  ])('that is answered with %j has failed', async (answer, failure) => {
    const { webhook } = await stage.add();
    stage.answers = () => answer;
    stage.commit([TURN]);
    await stage.settle();
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'owed', attempts: 1, last: { failure } }]);
    expect(stage.present(webhook).failingSince).toBe(START);
    stage.answers = () => answered(299);
    await stage.pass(6 * SECOND);
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'delivered', attempts: 2, last: { status: 299 } }]);
    expect(stage.present(webhook).failingSince).toBeUndefined();
  });

  test('P2: survives the death of its daemon, before it is sent, while it is, and behind', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => HANGS;
    stage.commit([TURN]);
    await stage.crash();
    expect(stage.posts).toHaveLength(1);
    await stage.crash();
    expect(stage.posts).toHaveLength(2);
    stage.answers = () => answered(503);
    await stage.crash();
    expect(stage.posts).toHaveLength(3);
    await stage.crash();
    expect(stage.posts).toHaveLength(3);
    stage.answers = () => answered(204);
    await stage.pass(6 * SECOND);
    await stage.crash();
    await stage.pass(DAY);
    expect(stage.posts).toHaveLength(4);
    expect(new Set(stage.posts.map(idOf)).size).toBe(1);
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'delivered', attempts: 2 }]);
  });

  test('waits no longer than a pause where the clock is put back', async () => {
    await stage.add();
    stage.answers = () => answered(500);
    stage.commit([TURN]);
    await stage.settle();
    jest.setSystemTime(START - 30 * DAY);
    await stage.pass(6 * SECOND);
    expect(stage.posts).toHaveLength(2);
  });

  test('is noticed as due after a sleep of the machine, within a minute', async () => {
    await stage.add();
    stage.answers = () => answered(500);
    stage.commit([TURN]);
    await stage.pass(6 * SECOND);
    expect(stage.posts).toHaveLength(2);
    jest.setSystemTime(START + HOUR);
    await stage.pass(MINUTE);
    expect(stage.posts).toHaveLength(3);
  });

  test('whose outcome a full disk refuses is not sent twice', async () => {
    const { webhook } = await stage.add();
    stage.commit([TURN]);
    stage.full = true;
    await stage.settle();
    await stage.pass(MINUTE);
    expect(stage.posts).toHaveLength(1);
    expect(await codeOf(() => stage.life.webhooks.test(webhook))).toBe('STORAGE_FULL');
    stage.full = false;
    await stage.pass(SECOND);
    expect(stage.life.store.listDeliveries(webhook.webhookId)).toMatchObject([{ state: 'delivered' }]);
    expect(stage.posts).toHaveLength(1);
  });

  test('goes with its session', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => answered(500);
    stage.commit([TURN], 'purged');
    await stage.settle();
    await stage.life.journal.forget('purged' as SessionId);
    stage.life.webhooks.forgotten('purged' as SessionId);
    await stage.pass(DAY);
    expect(stage.posts).toHaveLength(1);
    expect(stage.deliveries(webhook)).toEqual([]);
  });
});

test('that the daemon could not send is no failure of its webhook', async () => {
  const { webhook } = await stage.add();
  stage.answers = () => ({ kind: 'failed', failure: 'internal' });
  stage.commit([TURN]);
  await stage.pass(4 * DAY);
  expect(stage.deliveries(webhook)).toMatchObject([
    { state: 'failed', reason: 'given_up', last: { failure: 'internal' } },
  ]);
  expect([stage.disabled, stage.present(webhook).enabled, stage.present(webhook).failingSince]).toEqual([
    [],
    true,
    undefined,
  ]);
});

describe('a webhook', () => {
  test('that is slow holds up no other, and is sent two at a time', async () => {
    const slow = await stage.add({ url: 'https://slow.example/' });
    await stage.add({ url: 'https://fast.example/' });
    stage.answers = ({ url }) => (url.includes('slow') ? HANGS : answered(204));
    for (let count = 0; count < 5; count += 1) stage.commit([TURN]);
    await stage.pass(SECOND);
    expect(stage.posts.filter(({ url }) => url.includes('fast'))).toHaveLength(5);
    expect(stage.posts.filter(({ url }) => url.includes('slow'))).toHaveLength(2);
    expect(stage.deliveries(slow.webhook).every(({ state }) => state === 'owed')).toBe(true);
  });

  test('is owed at most 500 messages; others are on record as too many', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => HANGS;
    for (let count = 0; count < 502; count += 1) stage.commit([TURN]);
    await stage.settle();
    const states = stage.deliveries(webhook).map(({ state, reason }) => reason ?? state);
    expect(states.filter((state) => state === 'too_many')).toHaveLength(2);
    expect(states.filter((state) => state === 'owed')).toHaveLength(500);
    expect(await codeOf(() => stage.life.webhooks.test(webhook))).toBe('CONFLICT');
  });

  test('P2: at which nothing arrived for three days is disabled with a word, and what it is owed is given up', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => answered(500);
    stage.commit([TURN]);
    await stage.pass(2 * DAY);
    stage.commit([TURN]);
    expect(stage.disabled).toEqual([]);
    await stage.pass(2 * DAY);
    expect(stage.disabled).toEqual([[webhook.webhookId, 'failing']]);
    expect(stage.present(webhook)).toMatchObject({
      enabled: false,
      disabled: { reason: 'failing' },
      failingSince: START,
    });
    expect(stage.deliveries(webhook).map(({ reason }) => reason)).toEqual(['disabled', 'given_up']);
    const sent = stage.posts.length;
    stage.commit([TURN]);
    await stage.crash();
    await stage.pass(5 * DAY);
    expect(stage.posts).toHaveLength(sent);
    expect(stage.deliveries(webhook)).toHaveLength(2);
    stage.answers = () => answered(200);
    await stage.life.webhooks.change(stage.present(webhook), { enabled: true });
    expect(stage.present(webhook)).toMatchObject({ enabled: true, disabled: undefined, failingSince: undefined });
    stage.commit([TURN]);
    await stage.settle();
    expect(stage.posts).toHaveLength(sent + 1);
  });

  test('at which another message arrived meanwhile is not disabled', async () => {
    const { webhook } = await stage.add();
    stage.answers = ({ body }) => answered(body.includes('turn_complete') ? 500 : 200);
    stage.commit([TURN]);
    await stage.pass(DAY);
    stage.commit([{ type: 'permissionRequest', data: JSON.stringify(requestOf()) }]);
    await stage.pass(4 * DAY);
    expect(stage.deliveries(webhook).map(({ reason, state }) => reason ?? state)).toEqual(['delivered', 'given_up']);
    expect(stage.disabled).toEqual([]);
    expect(stage.present(webhook).enabled).toBe(true);
  });

  test('whose test fails is tried once, and does not count as failing', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => answered(500);
    stage.life.webhooks.test(webhook);
    await stage.pass(DAY);
    expect(stage.posts).toHaveLength(1);
    expect(stage.deliveries(webhook)).toMatchObject([{ type: 'test', state: 'failed', reason: 'given_up' }]);
    expect([stage.disabled, stage.present(webhook).failingSince]).toEqual([[], undefined]);
  });

  test('that a person disables is owed nothing more', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => HANGS;
    stage.commit([TURN]);
    await stage.settle();
    await stage.life.webhooks.change(webhook, { enabled: false });
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'failed', reason: 'disabled' }]);
    expect(stage.present(webhook).disabled).toBeUndefined();
    await stage.crash();
    await stage.pass(DAY);
    expect(stage.posts).toHaveLength(1);
  });

  test('has anything sent once more under its id, with ten attempts more', async () => {
    const { webhook } = await stage.add();
    stage.commit([TURN]);
    await stage.settle();
    const [delivery] = stage.deliveries(webhook);
    stage.answers = () => answered(500);
    const replayed = stage.life.webhooks.replay(webhook, delivery?.deliveryId ?? '');
    expect(replayed).toMatchObject({ state: 'owed', attempts: 1 });
    await stage.pass(SECOND);
    expect(stage.posts.map(idOf)).toEqual([delivery?.deliveryId, delivery?.deliveryId]);
    await stage.crash();
    await stage.pass(4 * DAY);
    expect(stage.posts).toHaveLength(11);
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'failed', reason: 'given_up', attempts: 11 }]);
  });

  test('is signed with the secret before for a day after a rotation, and no longer', async () => {
    const first = await stage.add();
    const second = stage.life.webhooks.rotate(first.webhook);
    const third = stage.life.webhooks.rotate(second.webhook);
    const accepted = async () => {
      stage.life.webhooks.test(stage.present(first.webhook));
      await stage.settle();
      const post = stage.posts.at(-1);
      if (!post) throw new Error('nothing was sent');
      const isOf = (secret: string) => codeOf(() => verified(secret, { path: '', ...post }));
      const all = await Promise.all([first, second, third].map(({ secret }) => isOf(secret)));
      return all.map((code) => code === 'none');
    };
    expect(await accepted()).toEqual([false, true, true]);
    await stage.pass(DAY - 1);
    expect(await accepted()).toEqual([false, true, true]);
    await stage.pass(1);
    expect(await accepted()).toEqual([false, false, true]);
  });

  test('whose daemon has another key is disabled instead of signed wrongly, and mended by a new secret', async () => {
    const { webhook } = await stage.add();
    const mac = Buffer.alloc(32, 8);
    await stage.crash({ mac });
    stage.commit([TURN]);
    await stage.settle();
    expect([stage.posts, stage.disabled]).toEqual([[], [[webhook.webhookId, 'secret_lost']]]);
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'failed', reason: 'disabled' }]);
    const { secret } = stage.life.webhooks.rotate(stage.present(webhook));
    await stage.life.webhooks.change(stage.present(webhook), { enabled: true });
    stage.life.webhooks.test(stage.present(webhook));
    await stage.pass(SECOND);
    expect(stage.posts[0] && verified(secret, { path: '', ...stage.posts[0] }).type).toBe('test');
  });

  test('of a person who is gone ends at the next start', async () => {
    const { webhook } = await stage.add();
    stage.answers = () => HANGS;
    stage.commit([TURN]);
    await stage.crash({ isPerson: () => false });
    await stage.pass(DAY);
    expect(stage.posts).toHaveLength(0);
    expect(stage.life.store.readAll()).toEqual([]);
    expect(stage.life.store.listDeliveries(webhook.webhookId)).toEqual([]);
  });

  test('has 500 deliveries that are done, for seven days, and those that are owed', async () => {
    const { webhook } = await stage.add();
    for (let round = 0; round < 2; round += 1) {
      for (let count = 0; count < 255; count += 1) stage.commit([TURN]);
      await stage.pass(MINUTE);
    }
    expect(stage.deliveries(webhook)).toHaveLength(510);
    stage.answers = () => HANGS;
    stage.commit([TURN]);
    await stage.pass(HOUR);
    expect(stage.deliveries(webhook)).toHaveLength(501);
    await stage.pass(7 * DAY);
    expect(stage.deliveries(webhook)).toMatchObject([{ state: 'owed' }]);
  });
});
