/** Forks of a conversation, in a real browser against the real daemon and the real CLI. */
import { describe, expect, test } from '@jest/globals';
import { nameBefore, nameOfFork } from '../../web/store/fork.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

test('a fork is named after what it was made of, also a fork of a fork', () => {
  const [before, after] = ['Fork of \n', '\n 的分支'];
  expect(nameOfFork('shop', before)).toBe('Fork of shop');
  expect(nameOfFork('Fork of shop', before)).toBe('Fork of shop');
  expect(nameOfFork('shop', after)).toBe('shop 的分支');
  expect([nameBefore('Fork of shop', before), nameBefore('shop 的分支', after)]).toEqual(['shop', 'shop']);
  expect([nameBefore('Fork of ', before), nameBefore('shop', before)]).toEqual(['Fork of ', 'shop']);
});

inChromium('forks in the console', (path) =>
  describe('forks in the console', () => {
    const world = useWorld();
    const shown = useConsolePage(world, path);
    const button = (name: string) => shown.page.getByRole('button', { name, exact: true });
    const idle = () => shown.page.locator('.state', { hasText: 'idle' }).waitFor();
    const settings = () => shown.page.getByRole('button', { name: /Ask first/ });
    /** What Claude was told in the last call. */
    const told = () => JSON.stringify(world.api.requests.at(-1)?.messages);
    const say = async (text: string) => {
      await shown.send(scenario({ text }));
      await shown.page.getByText(text, { exact: true }).waitFor();
      await idle();
    };

    test('the conversation is forked at its end, named as a fork, and left for the one before', async () => {
      const { page } = shown;
      const title = page.getByRole('heading', { level: 1 });
      await shown.begin(world.daemon.project('novel'), scenario({ text: 'It was night.' }));
      await page.getByText('It was night.', { exact: true }).waitFor();
      await idle();
      await settings().click();
      await button('Fork this conversation').click();
      await page.getByText(/^The next message begins the fork\./).waitFor();
      await title.getByText('Fork of novel', { exact: true }).waitFor();
      await settings().click();
      await say('It was day.');
      expect(told()).toContain('It was night.');
      await page.getByText('Another conversation from here on.').waitFor();
      await shown.picture('fork');
      await button('Go back to the one before').click();
      await title.getByText('Fork of novel', { exact: true }).waitFor({ state: 'detached' });
      await say('It was dusk.');
      expect(told()).toContain('It was night.');
      expect(told()).not.toContain('It was day.');
    });

    test('the conversations of the directory are listed, and one is gone on with after the page was loaded again', async () => {
      const { page } = shown;
      await page.reload();
      await settings().click();
      await page.getByText('Other conversations here', { exact: true }).click();
      const list = page.getByRole('region', { name: 'Conversation', exact: true }).getByRole('listitem');
      await list.getByText('Fork of novel').waitFor();
      await shown.picture('conversations');
      await list.getByRole('button').click();
      await page.getByText('The next message goes on with that conversation.').waitFor();
      await settings().click();
      await say('It was noon.');
      expect(told()).toContain('It was day.');
      expect(told()).not.toContain('It was dusk.');
    });

    test('a fork from before a message has that in its own message, and Claude does not know what followed', async () => {
      const { page } = shown;
      await page.getByRole('button', { name: 'More of this message' }).nth(-2).click();
      await button('Fork from before this message').click();
      await page.getByText('The conversation went back to before a message.').waitFor();
      const field = page.getByRole('textbox', { name: 'Message', exact: true });
      await waitUntil('the message is written again', async () => (await field.inputValue()).includes('It was noon.'));
      await say('It was spring.');
      expect(told()).toContain('It was day.');
      expect(told()).not.toContain('"It was noon."');
    });
  }),
);
