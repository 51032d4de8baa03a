/** What waits for a person over all sessions: its order, and how it is answered where it is listed. */
import { describe, expect, test } from '@jest/globals';
import type { ClientEvent } from '../../client/browser.js';
import type { SessionView } from '../../protocol/rest.js';
import { EMPTY, type PermissionRequest, reduce } from '../../web/store/console-state.js';
import { inboxOf } from '../../web/store/inbox.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const day = (date: number) => `2026-01-0${date}T00:00:00.000Z`;

const view = (sessionId: string, at: number, others: Partial<SessionView> = {}): SessionView =>
  ({
    sessionId,
    projectName: sessionId,
    status: 'idle',
    lastActivity: day(at),
    lastPrompt: { promptId: 'p', status: 'completed', subtype: 'success', completedAt: day(at) },
    ...others,
  }) as SessionView;

const failedAt = (at: number, subtype: string): Partial<SessionView> => ({
  lastPrompt: { promptId: 'p', status: 'failed', subtype, completedAt: day(at) },
});

const asks = (permissionId: string, kind: PermissionRequest['kind']) =>
  ({ permissionId, sessionId: permissionId, kind, prompt: permissionId }) as PermissionRequest;

const namesIn = (state: typeof EMPTY, seen: Parameters<typeof inboxOf>[1]) =>
  inboxOf(state, seen).map(({ kind, sessionId }) => `${kind} ${sessionId}`);

const NEW = { since: '', turns: new Map<string, string>() };

describe('the inbox', () => {
  const sessions = [
    view('asking', 2),
    view('earlier', 1),
    view('choosing', 1),
    view('newer', 3),
    view('older', 2),
    view('broken', 1, failedAt(1, 'api_error')),
    view('limited', 4, failedAt(4, 'usage_limit')),
    view('stopped', 4, {
      lastPrompt: { promptId: 'p', status: 'cancelled', subtype: 'interrupted', completedAt: day(4) },
    }),
    view('busy', 4, { status: 'working' }),
    view('put away', 4, { archived: true }),
    view('unused', 4, { lastPrompt: undefined }),
  ];
  const listed = reduce(EMPTY, { do: 'listed', sessions });
  const permissions = new Map(
    [asks('choosing', 'question'), asks('asking', 'tool'), asks('earlier', 'tool')].map((one) => [
      one.permissionId,
      one,
    ]),
  );
  const state = { ...listed, permissions };

  test('ranks requests, questions, limits, ends and failures, the oldest first', () => {
    expect(namesIn(state, NEW)).toEqual([
      'permission earlier',
      'permission asking',
      'question choosing',
      'limit limited',
      'finished older',
      'finished newer',
      'failed broken',
    ]);
  });

  test('has no end of a turn that was seen, or that this browser was too late for', () => {
    const seen = { since: day(2), turns: new Map([['limited', day(4)]]) };
    expect(namesIn({ ...state, permissions: new Map() }, seen)).toEqual(['finished newer']);
  });

  test('has an end as soon as its event comes, with what was said last, and keeps it against an older list', () => {
    const sessionId = 'newer';
    const end = { subtype: 'success', isError: false, finalResult: 'It is done.', duration: 1, numTurns: 1 };
    const place = { sessionId, seq: 1, epoch: 'e', replayed: false, at: day(5) };
    const event: ClientEvent = { ...place, type: 'streamComplete', data: { sessionId, ...end } };
    const ended = reduce(listed, { do: 'event', event });
    const again = reduce(ended, { do: 'listed', sessions });
    const [first] = inboxOf(again, { since: day(4), turns: new Map() });
    expect(first).toMatchObject({ kind: 'finished', sessionId: 'newer', turn: { at: day(5), words: 'It is done.' } });
  });
});

inChromium('the inbox in a browser', (path) => {
  const world = useWorld();
  const shown = useConsolePage(world, path);
  const button = (name: string) => shown.page.getByRole('button', { name, exact: true });
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await world.daemon.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.ok).toBe(true);
    return (await answer.json()) as { id: string };
  };
  const start = async (name: string, prompt: string) => {
    const { id } = await post('/api/sessions', { workingDirectory: world.daemon.project(name) });
    await post(`/api/sessions/${id}/prompts`, { prompt });
  };

  test('opens one of what waits, so that each answer has one button and the sessions are on the first view', async () => {
    const { page } = shown;
    const write = { name: 'Write', input: { file_path: 'a.txt', content: 'a' } };
    await start('first', scenario({ tools: [write] }, { text: 'Written.' }));
    await button('Allow once').waitFor();
    await start('second', scenario({ tools: [write] }, { text: 'Written as well.' }));
    const folded = page.getByRole('button', { name: /^second/, expanded: false });
    await folded.waitFor();
    expect(await button('Allow once').count()).toBe(1);
    await start('third', scenario({ text: 'Two beds are **dug**.' }));
    await page.getByRole('button', { name: /^third\s+Finished/, expanded: false }).waitFor();
    const bottoms = page
      .locator('.sessions a')
      .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().bottom));
    // Of three below a request and two lines.
    expect((await bottoms).map((bottom) => bottom <= 844)).toEqual([true, true, false]);
    await folded.click();
    await page.getByRole('button', { name: /^first/, expanded: false }).waitFor();
    await button('Deny').click();
    await page.getByRole('button', { name: /^second/ }).waitFor({ state: 'detached' });
    await button('Allow once').waitFor();
    await shown.picture('inbox');
  });

  test('takes the next prompt where an end is listed, and forgets what was seen, also after a reload', async () => {
    const { page } = shown;
    await page.getByRole('button', { name: /^third/, expanded: false }).click();
    const ended = page.getByRole('article', { name: 'Finished', exact: true });
    await ended.getByText('Two beds are **dug**.').waitFor();
    await ended.getByLabel('Reply').fill('{"text": "half');
    // What comes meanwhile does not take the card away from under the fingers.
    await start(
      'fourth',
      scenario({ tools: [{ name: 'Write', input: { file_path: 'b', content: 'b' } }] }, { text: 'b' }),
    );
    await page.getByRole('button', { name: /^fourth/, expanded: false }).waitFor();
    await ended.getByLabel('Reply').fill(scenario({ text: 'Three, now.' }));
    await button('Send reply').click();
    await ended.getByText('Three, now.').waitFor();
    await button('Seen').click();
    await ended.waitFor({ state: 'detached' });
    await page.reload();
    await page.getByRole('link', { name: 'third', exact: true }).waitFor();
    await page.getByRole('button', { name: /^fourth/ }).waitFor();
    expect(await page.getByRole('button', { name: /^third/ }).count()).toBe(0);
  });

  test('P1: what is answered in the page leaves the number on the icon', async () => {
    const { page } = shown;
    await page.addInitScript('badges = []; navigator.setAppBadge = async (count) => void badges.push(count);');
    await page.reload();
    const badge = () => page.evaluate<number | undefined>('badges.at(-1)');
    await waitUntil('two wait', async () => (await badge()) === 2);
    await button('Deny').click();
    await waitUntil('one waits', async () => (await badge()) === 1);
  });
});
