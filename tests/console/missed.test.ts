/** What came while a person was away from a session: told in a line, which leads to it. */
import { describe, expect, test } from '@jest/globals';
import type { PermissionRequest } from '../../web/store/console-state.js';
import { type Away, type Mark, markOf, missedIn } from '../../web/store/missed.js';
import { type Item, lastKey } from '../../web/store/transcript.js';
import { freePort } from '../support/free-port.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const port = await freePort();
const human = (key: string) => ({ kind: 'human', key }) as Item;
const text = (key: string, more: object = {}) => ({ kind: 'text', key: `${key}/0`, ...more }) as Item;
const tool = (key: string) => ({ kind: 'tool', key }) as Item;
const end = (key: string) => ({ kind: 'end', key }) as Item;
const request = (permissionId: string, kind = 'tool') => ({ permissionId, kind }) as PermissionRequest;

/** Of somebody who left after so many of the items, and came back when all were there. */
const missedAfter = (count: number, items: readonly Item[], requests: readonly PermissionRequest[] = []) =>
  missedIn({ items, replayed: undefined, requests }, { mark: markOf(items.slice(0, count), []), upTo: lastKey(items) });

test('an answer is a turn that has ended; what is said in one that goes on are messages', () => {
  const turn = (name: string) => [
    human(`h-${name}`),
    text(`a-${name}`),
    tool(`t-${name}`),
    text(`b-${name}`),
    end(name),
  ];
  const items = [...turn('one'), ...turn('two'), human('h-three'), text('c'), text('d'), text('sub', { parent: 't' })];
  expect(missedAfter(1, items)).toMatchObject({ answers: 2, messages: 2, first: 'a-one', isMore: false });
  // An end whose words were seen is no news.
  expect(missedAfter(4, items.slice(0, 5))).toBeUndefined();
  expect(missedAfter(5, items)).toMatchObject({ answers: 1, messages: 2, first: 'h-two' });
  expect(missedAfter(items.length, items)).toBeUndefined();
  expect(missedAfter(0, [])).toBeUndefined();
});

test('requests are told by what they ask, those that are new', () => {
  const asked = [request('one'), request('two', 'question'), request('three', 'elicitation')];
  expect(missedAfter(0, [], asked)).toMatchObject({ questions: 2, permissions: 1, first: undefined });
  const mark: Mark = { requests: ['one', 'two', 'three'] };
  expect(missedIn({ items: [], replayed: undefined, requests: asked }, { mark, upTo: undefined })).toBeUndefined();
});

test('what is replayed after the return was missed, what comes after that was not; going on ends it', () => {
  const seen = [human('h'), text('a'), end('e')];
  const late = [text('b'), end('f')];
  const away: Away = { mark: markOf(seen, []), upTo: lastKey(seen) };
  const shown = (items: readonly Item[], replayed: string | undefined) =>
    missedIn({ items, replayed, requests: [] }, away);
  expect(shown(seen, undefined)).toBeUndefined();
  expect(shown([...seen, ...late], undefined)).toBeUndefined();
  expect(shown([...seen, ...late], 'f')).toMatchObject({ answers: 1, first: 'b' });
  expect(shown([...seen, ...late, text('c'), end('g')], 'f')).toMatchObject({ answers: 1 });
  expect(shown([...seen, ...late, human('h2')], 'f')).toBeUndefined();
  // Of a long absence, the place where it began is not loaded.
  expect(shown(late, 'f')).toMatchObject({ answers: 1, isMore: true });
});

inChromium('what was missed in a session', (path) =>
  describe('what was missed in a session', () => {
    // The address of a daemon outlives it.
    const world = useWorld({ environment: { PORT: String(port) } });
    const shown = useConsolePage(world, path);
    const line = (words: string) => shown.page.getByRole('status').getByRole('button', { name: words, exact: true });
    const said = (words: string) => shown.page.getByText(words, { exact: true });
    let id = '';

    const look = (state: string) =>
      shown.page.evaluate(`(() => {
        Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      })()`);

    /** By another device, until the turn has ended or asks. */
    async function prompt(text: string): Promise<void> {
      const sent = await world.daemon.fetch(`/api/sessions/${id}/prompts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: text }),
      });
      expect(sent.status).toBe(202);
      await waitUntil('the turn is over, or asks', async () => {
        const { status, queueDepth } = (await (await world.daemon.fetch(`/api/sessions/${id}`)).json()) as {
          status: string;
          queueDepth: number;
        };
        return queueDepth === 0 && (status === 'idle' || status === 'waiting') && world.api.runs(text) > 0;
      });
    }

    test('is told when the page is looked at again, and leads to the first of it', async () => {
      const { page } = shown;
      id = await shown.begin(world.daemon.project('away'), scenario({ text: 'Before.' }));
      await said('Before.').waitFor();
      await page.getByText(/^\s*\d+\.\d s/).waitFor();
      await look('hidden');
      await prompt(scenario({ text: `The first answer.\n\n${'It has many lines.\n\n'.repeat(60)}` }));
      await prompt(scenario({ text: 'The second answer.' }));
      await prompt(scenario({ tools: [{ name: 'Read', input: { file_path: '/etc/hostname' } }] }, { text: 'Read.' }));
      await page.getByRole('button', { name: 'Deny', exact: true }).waitFor();
      await look('visible');
      const news = line('2 answers and 1 request for permission while you were away');
      await news.waitFor();
      await shown.picture('missed');
      await news.click();
      await news.waitFor({ state: 'detached' });
      const first = page.locator('.said', { hasText: 'The first answer.' }).first();
      await first.and(page.locator(':focus')).waitFor();
      await page.getByRole('button', { name: 'Deny', exact: true }).click();
      await said('Read.').waitFor({ state: 'attached' });
      await page.reload();
      await said('Read.').waitFor();
      expect(await page.locator('.missed').count()).toBe(0);
    });

    test('is told when the session is opened again, until it is seen', async () => {
      const { page } = shown;
      await page.getByRole('link', { name: 'All sessions' }).click();
      await page.getByRole('button', { name: 'New session', exact: true }).waitFor();
      await prompt(scenario({ text: 'While the list was shown.' }));
      await page.reload();
      await page.getByRole('link', { name: 'away', exact: true }).click();
      await line('1 answer while you were away').waitFor();
      await page.getByRole('button', { name: 'I have seen what I missed' }).click();
      await line('1 answer while you were away').waitFor({ state: 'detached' });
      await page.reload();
      await said('While the list was shown.').waitFor();
      expect(await page.locator('.missed').count()).toBe(0);
    });

    test('D1: is told when the daemon is back, and goes with the next message', async () => {
      const { page } = shown;
      await shown.send(scenario({ text: 'Word by word it comes.', chunk: 4, gateAfter: { deltas: 2, gate: 'gone' } }));
      await world.api.reached('gone');
      await world.daemon.kill('SIGKILL');
      await page.getByText('No connection. Trying again…').waitFor();
      world.api.release('gone');
      await world.daemon.start();
      await line('1 answer while you were away').waitFor();
      await shown.send(scenario({ text: 'It goes on.' }));
      await line('1 answer while you were away').waitFor({ state: 'detached' });
      await said('It goes on.').waitFor();
      expect(await said('Word by word it comes.').count()).toBe(1);
      // The browser itself tells of a connection that was lost.
      for (const fault of shown.faults.splice(0)) expect(fault).toMatch(/ERR_|WebSocket connection/);
    });
  }),
);
