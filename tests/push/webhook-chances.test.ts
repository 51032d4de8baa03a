/** P2, whatever happens to the daemon, to its disk and to the program at the address. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WebhookRecord } from '../../services/ports/webhooks.js';
import { countOf } from '../support/counts.js';
import { answered, DAY, HOUR, idOf, MINUTE, SECOND, TURN, useWebhooks } from './support/webhook-stage.js';

const stage = useWebhooks();

const ANSWERS = {
  takes: async () => answered(200),
  refuses: async () => answered(500),
  asksForTime: async () => answered(503, '3600'),
  timesOut: () =>
    new Promise<{ kind: 'failed'; failure: 'timeout' }>((resolve) => {
      setTimeout(() => resolve({ kind: 'failed', failure: 'timeout' }), 15 * SECOND);
    }),
};

type Answer = keyof typeof ANSWERS;
/** All together are less than the retention of deliveries. */
const stepArb = fc.oneof(
  fc.record({ commit: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ pass: fc.constantFrom(1, SECOND, 6 * SECOND, 20 * SECOND, 6 * MINUTE, HOUR, 3 * HOUR) }),
  fc.record({ answer: fc.constantFrom(...(Object.keys(ANSWERS) as Answer[])) }),
  fc.record({ full: fc.boolean() }),
  fc.constant({ crash: true }),
);
type Step = typeof stepArb extends fc.Arbitrary<infer T> ? T : never;

/** How the program answers from now on. `taken`: the ids of the messages that it has taken. */
function behave(answer: Answer, taken: Set<string>): void {
  stage.answers = async (message) => {
    const outcome = await ANSWERS[answer]();
    if (answer === 'takes') taken.add(idOf(message));
    return outcome;
  };
}

/** Returns how many messages are owed for it. */
async function take(step: Step, webhook: WebhookRecord, taken: Set<string>): Promise<number> {
  if ('commit' in step) {
    for (let count = 0; count < step.commit; count += 1) stage.commit([TURN]);
    return stage.present(webhook).enabled ? step.commit : 0;
  }
  if ('pass' in step) await stage.pass(step.pass);
  else if ('answer' in step) behave(step.answer, taken);
  else if ('full' in step) stage.full = step.full;
  else await stage.crash();
  return 0;
}

function requireKept(webhook: WebhookRecord, owed: number, taken: Set<string>): void {
  const found = stage.deliveries(webhook);
  expect(found).toHaveLength(owed);
  for (const { deliveryId, state, reason } of found) {
    if (state === 'delivered') expect(taken).toContain(deliveryId);
    else expect([state, reason]).toEqual(['failed', expect.stringMatching(/^(given_up|disabled)$/)]);
  }
  const ids = new Set(stage.posts.map(idOf));
  expect(new Set(stage.posts.map((message) => `${idOf(message)} ${message.body}`)).size).toBe(ids.size);
  expect(found.map(({ deliveryId }) => deliveryId)).toEqual(expect.arrayContaining([...ids]));
}

test('P2: each message is taken under one id, or given up with a reason, whatever comes in between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArb, { maxLength: 30 }), async (steps) => {
      const { webhook } = await stage.add();
      const taken = new Set<string>();
      behave('takes', taken);
      stage.full = false;
      stage.posts = [];
      try {
        let owed = 0;
        for (const step of steps) owed += await take(step, webhook, taken);
        stage.full = false;
        behave('takes', taken);
        await stage.pass(2 * DAY);
        requireKept(webhook, owed, taken);
      } finally {
        stage.full = false;
        stage.life.webhooks.remove(webhook);
      }
    }),
    { numRuns: countOf({ full: 2000, fast: 40 }) },
  );
}, 600_000);
