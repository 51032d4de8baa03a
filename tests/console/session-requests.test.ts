/** Plans, dialogs and forms in the console, in a real browser against the real daemon and the real CLI. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';

const REFUSING = 'claude-fable-5';
const FORM = {
  message: 'Who are you?',
  requestedSchema: {
    type: 'object',
    properties: {
      name: { type: 'string', title: 'Name', minLength: 2 },
      age: { type: 'integer', minimum: 0, maximum: 150 },
      isNew: { type: 'boolean', title: 'New here' },
      colour: { type: 'string', title: 'Colour', enum: ['red', 'blue'], enumNames: ['Red', 'Blue'] },
      tags: { type: 'array', title: 'Tags', items: { type: 'string', enum: ['a', 'b'] } },
    },
    required: ['name'],
  },
};

inChromium('the requests of a session in the console', (path) =>
  describe('the requests of a session in the console', () => {
    const world = useWorld({ environment: { CLAUDE_MODEL: REFUSING } });
    const shown = useConsolePage(world, path);
    const button = (name: string | RegExp) => shown.page.getByRole('button', { name, exact: true });

    beforeAll(() => {
      const home = world.daemon.environment.HOME ?? '';
      const args = [join(import.meta.dirname, '../support/eliciting-server.mjs')];
      const forms = { type: 'stdio', command: process.execPath, args };
      writeFileSync(join(home, '.claude.json'), JSON.stringify({ mcpServers: { forms } }));
      mkdirSync(join(home, '.claude'), { recursive: true });
      writeFileSync(join(home, '.claude', 'settings.json'), JSON.stringify({ switchModelsOnFlag: false }));
    });

    test('a plan is read as it is meant, sent back with comments on its parts and what should change, and accepted', async () => {
      const { page } = shown;
      const plan = (text: string) => ({ name: 'ExitPlanMode', input: { plan: text } });
      await shown.begin(world.daemon.project('house'), scenario({ text: 'Ready.' }));
      await page.getByText('Ready.', { exact: true }).waitFor();
      await page.getByRole('button', { name: /Ask first/ }).click();
      await page.getByRole('combobox', { name: 'Permission mode' }).selectOption('Plan only');
      await page.getByRole('button', { name: /Plan only/ }).click();
      await shown.send(
        scenario(
          { tools: [plan('# A house\n\n1. Dig\n2. **Build**')] },
          { tools: [plan('# A house\n\n1. Measure')] },
          { tools: [plan('# A house\n\n1. Draw')] },
          { text: 'On it.' },
        ),
      );
      await page.locator('.plan strong', { hasText: 'Build' }).waitFor();
      await page.getByLabel('What should change').fill('Measure first.');
      await button('Comment on “Build”').press('Enter');
      await page.keyboard.type('Of wood.');
      await button('Comment on “A house”').press('Enter');
      await page.keyboard.type('A small one.');
      await page.getByLabel('Your comment on “Build”').waitFor();
      await shown.picture('plan');
      // What is written outlives the page.
      await page.reload();
      await page.getByLabel('Your comment on “A house”').waitFor();
      expect(await page.getByLabel('Your comment on “A house”').inputValue()).toBe('A small one.');
      expect(await page.getByLabel('What should change').inputValue()).toBe('Measure first.');
      expect(await button('Allow once').isDisabled()).toBe(true);
      await button('Deny').click();
      await page.locator('.plan').getByText('Measure', { exact: true }).waitFor();
      const told = JSON.stringify(world.api.requests.at(-1)?.messages);
      const notes = ['> # A house', 'A small one.', '> **Build**', 'Of wood.', 'Measure first.'];
      expect(told).toContain(JSON.stringify(notes.join('\n\n')).slice(1, -1));
      await button('Comment on “Measure”').press('Enter');
      await page.keyboard.type('Draw it too.');
      await page.getByRole('article', { name: /plan/i }).focus();
      await page.keyboard.press('d');
      await page.locator('.plan').getByText('Draw', { exact: true }).waitFor();
      const toldByKey = JSON.stringify(world.api.requests.at(-1)?.messages);
      expect(toldByKey).toContain(JSON.stringify('> Measure\n\nDraw it too.').slice(1, -1));
      await button('Allow, and edit without asking').click();
      await page.getByText('On it.', { exact: true }).waitFor();
      await page.getByRole('button', { name: /Accept edits/ }).waitFor();
    });

    test('a form of a server is filled in its types, and a wrong value is told before it is sent', async () => {
      const { page } = shown;
      await shown.send(
        scenario({ tools: [{ name: 'mcp__forms__ask', input: { params: [FORM] } }] }, { text: 'Done.' }),
      );
      await button('Allow once').click();
      await page.getByText('Who are you?', { exact: true }).waitFor();
      const form = page.locator('article.card form');
      await form.getByLabel('Name *').fill('A');
      await page.getByText('must have at least 2 characters').waitFor();
      expect(await button('Answer').isDisabled()).toBe(true);
      await form.getByLabel('Name *').fill('Ada');
      await form.getByLabel('age', { exact: true }).fill('36');
      await form.getByLabel('New here').check();
      await form.getByRole('combobox', { name: 'Colour' }).selectOption('Blue');
      await form.getByLabel('b', { exact: true }).check();
      await shown.picture('form');
      await button('Answer').click();
      await page.getByText('Done.', { exact: true }).waitFor();
      const heard = JSON.stringify(world.api.requests.at(-1)?.messages).replaceAll('\\', '');
      expect(heard).toMatch(/"name":"Ada","age":36,"isNew":true,"colour":"blue","tags":\["b"\]/);
    });

    test('a question shows its previews, takes a free text, and keeps it until it is sent', async () => {
      const { page } = shown;
      const options = [
        { label: 'Red', description: 'Warm', preview: '<b>the red one</b>' },
        { label: 'Blue', description: 'Cold' },
      ];
      const questions = [{ question: 'Which colour?', header: 'Colour', multiSelect: false, options }];
      await shown.send(scenario({ tools: [{ name: 'AskUserQuestion', input: { questions } }] }, { text: 'Noted.' }));
      await page.getByText('<b>the red one</b>', { exact: true }).waitFor();
      const answer = page.getByRole('textbox', { name: 'Which colour?', exact: true });
      await page.getByRole('radio', { name: /^Red/ }).check();
      await answer.fill('Green, as the door');
      expect(await page.getByRole('radio', { name: /^Red/ }).isChecked()).toBe(false);
      await page.getByRole('link', { name: 'All sessions' }).click();
      await button('New session').waitFor();
      await page.goBack();
      await answer.waitFor();
      await page.reload();
      await answer.waitFor();
      expect(await answer.inputValue()).toBe('Green, as the door');
      await shown.picture('question');
      await button('Answer').click();
      await page.getByText('Noted.', { exact: true }).waitFor();
      expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('Green, as the door');
    });

    test('a dialog of the CLI is answered by one of its choices', async () => {
      const { page } = shown;
      const refused = { text: 'Answered by another.', refusedBy: REFUSING };
      await shown.send(scenario(refused, refused));
      const choice = page.getByRole('button', { name: /^Continue with/ });
      await choice.waitFor();
      await shown.picture('dialog');
      await choice.click();
      await choice.waitFor({ state: 'detached' });
      await page.getByText('Answered by another.', { exact: true }).last().waitFor();
      expect(await choice.count()).toBe(0);
    });
  }),
);
