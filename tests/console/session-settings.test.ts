/** What a session works with and what that uses, in a real browser against the real daemon and the real CLI. */
import { describe, expect, test } from '@jest/globals';
import { inHours, limitHeaders, refusal, SUBSCRIBED } from '../support/rate-limits.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

inChromium('the settings of a session in the console', (path) =>
  describe('the settings of a session in the console', () => {
    const world = useWorld({ environment: SUBSCRIBED });
    const shown = useConsolePage(world, path);
    const bar = () => shown.page.getByRole('region', { name: 'Model, effort and mode' });
    const line = () => bar().getByRole('button').first();
    let sessionId = '';
    const view = async () =>
      (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as Record<string, unknown>;

    test('are its model, effort and mode, each chosen from what the CLI has', async () => {
      const { page } = shown;
      sessionId = await shown.begin(world.daemon.project('mill'), scenario({ text: 'It turns.' }));
      await page.getByText('It turns.', { exact: true }).waitFor();
      await line()
        .getByText(/% of context/)
        .waitFor();
      await line().click();
      const model = bar().getByRole('combobox', { name: 'Model', exact: true });
      await model.selectOption('haiku');
      await line()
        .getByText(/^Haiku/)
        .waitFor();
      await model.selectOption('opus');
      await bar().getByRole('combobox', { name: 'Effort', exact: true }).selectOption('high');
      await line()
        .getByText(/· high ·/)
        .waitFor();
      await bar().getByRole('combobox', { name: 'Permission mode', exact: true }).selectOption('Plan only');
      await line()
        .getByText(/Plan only/)
        .waitFor();
      await bar().getByRole('meter', { name: 'Context' }).waitFor();
      await shown.picture('settings');
      expect(await view()).toMatchObject({ permissionMode: 'plan' });
      await bar().getByRole('combobox', { name: 'Permission mode', exact: true }).selectOption('Ask nothing');
      await bar().getByRole('alert').waitFor();
      expect(await view()).toMatchObject({ permissionMode: 'plan' });
    });

    test('have the conversation to copy, as Markdown', async () => {
      const { page } = shown;
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await bar().getByRole('button', { name: 'Copy as Markdown' }).click();
      await bar().getByText('Copied.').waitFor();
      const copied = await page.evaluate<string>('navigator.clipboard.readText()');
      expect(copied).toMatch(/^## You\n\nscenario .*\n\n## Claude\n\nIt turns\.\n$/s);
    });

    test('hold in a page that is loaded again', async () => {
      await shown.page.reload();
      await line()
        .getByText(/· high · Plan only/)
        .waitFor();
      expect(await line().getAttribute('aria-expanded')).toBe('false');
    });

    test('tell of a limit that is near and of one that is reached, with the time of its reset, and go on then if asked', async () => {
      const { page } = shown;
      const reset = inHours(2);
      await shown.send(
        scenario({ text: 'Nearly.', headers: limitHeaders({ status: 'allowed_warning', used: 0.92, reset }) }),
      );
      await page.getByText('92% of the 5-hour limit is used. It resets').waitFor();
      await shown.send(scenario(refusal({ reset })));
      await page.getByText('The 5-hour limit is reached. It resets').waitFor();
      await page.getByRole('button', { name: 'Go on by itself then' }).click();
      await page.getByText('This session goes on by itself').waitFor();
      await shown.picture('limit');
      expect(await view()).toMatchObject({ autoContinue: true, continuesAt: new Date(reset * 1000).toISOString() });
      await page.reload();
      await page.getByText('This session goes on by itself').waitFor();
      await page.getByRole('button', { name: 'Do not go on by itself' }).click();
      await page.getByRole('button', { name: 'Go on by itself then' }).waitFor();
    });
  }),
);
