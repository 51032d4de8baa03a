/** The thread that sends pushes: it ends in the midst of its work, or cannot be started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { useApnsOutbox } from '../push/support/apns-outbox.js';
import { useApns } from '../push/support/apns-stage.js';
import { testClosing } from '../push/support/closing-sender.js';
import { countOf } from '../support/counts.js';
import { waitUntil } from '../support/wait-until.js';

const BUILT = join(import.meta.dirname, '../../dist/server/sender-worker.js');
const NEVER_MS = 600_000;
const SECRET = 'a token that stands in the message of an error';

let lines: string[];
beforeEach(() => {
  lines = [];
});
const write = (...parts: unknown[]) => void lines.push(JSON.stringify(parts));
const log = { debug: write, info: write, warn: write, error: write };

describe('with pushes owed', () => {
  let script: string;
  const stage = useApnsOutbox({ now: Date.now, script: () => script, log });

  /** A daemon whose thread runs this. */
  const runs = async (name: string, text: string | undefined) => {
    script = join(stage.apns.folder, name);
    if (text !== undefined) stage.apns.file(name, text);
    await stage.world.crash();
    await stage.world.open();
    stage.world.register('phone');
  };

  const ask = (count: number) =>
    stage.world.commit('session', ...Array.from({ length: count }, (_, nth) => stage.world.asks('session', `r${nth}`)));

  /** The rows, all of which are accepted. */
  const allAccepted = async (count: number) => {
    await waitUntil(`${count} are done`, () => stage.world.push.openCount === 0);
    const rows = await stage.world.rows();
    expect(rows.map(({ state }) => state)).toEqual(Array.from({ length: count }, () => 'accepted'));
    return rows;
  };

  const MANY = countOf({ full: 1000, fast: 400 });

  test(`P1: a thread that dies with pushes in flight loses none of ${MANY}`, async () => {
    const died = join(stage.apns.folder, 'died');
    await runs(
      'mortal.mjs',
      `import { existsSync, writeFileSync } from 'node:fs';
       import { parentPort } from 'node:worker_threads';
       await import(${JSON.stringify(BUILT)});
       let taken = 0;
       parentPort.on('message', (requests) => {
         taken += requests.length;
         if (taken < ${MANY * 0.3} || existsSync(${JSON.stringify(died)})) return;
         writeFileSync(${JSON.stringify(died)}, '');
         throw new Error(${JSON.stringify(SECRET)});
       });`,
    );
    await ask(MANY);
    await waitUntil('the thread has died', () => existsSync(died));
    const rows = await allAccepted(MANY);
    const cut = rows.filter(({ history }) => history.some(({ reason }) => reason === 'the sender ended'));
    expect(cut.length).toBeGreaterThan(0);
    const sent = new Map<string, Set<string>>();
    for (const { payload } of stage.apns.production.accepted) {
      const id = String(payload.pushId);
      sent.set(id, (sent.get(id) ?? new Set()).add(JSON.stringify(payload)));
    }
    expect(new Set(sent.keys())).toEqual(new Set(rows.map(({ pushId }) => pushId)));
    expect([...sent.values()].filter(({ size }) => size > 1)).toEqual([]);
    expect(stage.world.push.health).toEqual({ verdict: 'ok' });
    expect(lines.join('\n')).toContain('the thread that sends pushes ended');
    expect(lines.join('\n')).not.toContain(SECRET);
  }, 60_000);

  test('P1: while no thread can be started, pushes stay owed and the health says so; then they are sent', async () => {
    await runs('missing.mjs', undefined);
    await ask(5);
    await waitUntil('each has been tried', async () => {
      const rows = await stage.world.rows();
      return rows.length === 5 && rows.every(({ attempts, state }) => attempts > 0 && state === 'owed');
    });
    expect(stage.world.push.health).toMatchObject({
      verdict: 'degraded',
      remedy: expect.stringContaining('the thread that sends pushes does not run'),
    });
    expect(stage.apns.production.requests).toEqual([]);
    stage.apns.file('missing.mjs', `await import(${JSON.stringify(BUILT)});`);
    await allAccepted(5);
    expect(stage.world.push.health).toEqual({ verdict: 'ok' });
  }, 60_000);
});

describe('a thread that is closed', () => {
  const apns = useApns();

  afterEach(() => expect(lines).toEqual([]));
  testClosing(apns, () => apns.threadSender(BUILT, { timeoutMs: NEVER_MS }, log));

  test('before its first push has nothing to wait for', async () => {
    const sender = apns.threadSender(join(apns.folder, 'missing.mjs'), {}, log);
    await expect(sender.close()).resolves.toBeUndefined();
  });
});
