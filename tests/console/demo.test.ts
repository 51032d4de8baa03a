/** `npm start -- --demo`: the address that it prints opens a session that shows itself. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startBrowser } from '../support/browser.js';
import { environmentIn, makeFolders } from '../support/daemon.js';
import { endRun, runDaemon } from '../support/run-daemon.js';
import { inChromium } from './support/console-page.js';

const PHONE = { width: 390, height: 844 };

inChromium('the demo', (path) => {
  test('pairs the browser by the printed address, once, and shows a turn that asks, in a folder of its own', async () => {
    const folders = makeFolders();
    const { PATH = '', HOME = '', TMPDIR = '' } = environmentIn(folders, '');
    const environment = { PATH, HOME, TMPDIR, COMPANION_HOME: folders.home, PORT: '0', PROJECT_ROOTS: folders.root };
    const run = runDaemon({ environment, arguments: ['--demo'] });
    const browser = await startBrowser({ path, names: [] });
    try {
      await run.ready;
      const address = /^Console: (\S+#pair=\S+)$/m.exec(run.stderr())?.[1] ?? '';
      const { page } = await browser.open(address);
      await page.setViewportSize(PHONE);
      await page.getByText('Now I ask you for something.', { exact: false }).waitFor();
      await page.getByRole('button', { name: 'Allow once', exact: true }).click();
      await page.getByRole('cell', { name: 'ask me', exact: true }).waitFor();
      expect(page.url()).toMatch(/#\/s\//);
      const folder = join(folders.root, 'claude-companion-demo');
      expect(readdirSync(folder).filter((name) => name.startsWith('hello-'))).toHaveLength(1);
      expect(existsSync(join(folders.base, 'home/.claude'))).toBe(false);
      // A browser that has it needs the code no more, and another one cannot use it.
      await page.goto('about:blank');
      await page.goto(address);
      await page.getByRole('link', { name: 'claude-companion-demo', exact: true }).waitFor();
      const other = await browser.open(address);
      await other.page.getByRole('alert').getByText('Ask for a new one').waitFor();
    } finally {
      await browser.close();
      await endRun(run, folders);
    }
  });
});
