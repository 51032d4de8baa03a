/** The console in WebKit, which every browser of an iPhone is, where its programs are installed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askLocally } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { useWorld } from '../support/world.js';
import { findWebKit, startWebKit, type WebKit, type WebKitPrograms } from './support/webkit.js';

const START_MS = 60_000;

/** By its exact words. */
const button = (words: string) => `//button[normalize-space()=${JSON.stringify(words)}]`;
const field = (label: string) =>
  `//label[starts-with(normalize-space(), ${JSON.stringify(label)})]//*[self::input or self::textarea]`;
const MESSAGE = '//textarea[@aria-label="Message"]';

const inWebKit = (programs: WebKitPrograms) =>
  describe('the console in WebKit', () => {
    const world = useWorld();
    let webkit: WebKit;
    beforeAll(async () => {
      webkit = await startWebKit(programs);
    }, START_MS);
    afterAll(async () => webkit.close());

    test('pairs, prompts, allows once and shows the answer, also after a reload', async () => {
      const { code } = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
      const directory = world.daemon.project('garden');
      const file = join(directory, 'a.txt');
      await webkit.goTo(world.daemon.url);
      await webkit.type(field('Pairing code'), code);
      await webkit.click(button('Pair'));
      await webkit.click(button('New session'));
      await webkit.type(field('Directory'), directory);
      await webkit.type(field('First message'), scenario({ text: 'Ready.' }));
      await webkit.click(button('Start'));
      await webkit.waitFor('//article[@aria-label="Claude"][normalize-space()="Ready."]');
      const tools = [{ name: 'Bash', input: { command: `echo once >> ${file}` } }];
      await webkit.type(MESSAGE, scenario({ tools }, { text: 'It ran.' }));
      await webkit.click(button('Send'));
      await webkit.click(button('Allow once'));
      const said = '//article[@aria-label="Claude"][normalize-space()="It ran."]';
      await webkit.waitFor(said);
      expect(readFileSync(file, 'utf8')).toBe('once\n');
      await webkit.run('location.reload()');
      await webkit.waitFor(said);
      expect(await webkit.run('return document.querySelectorAll("[role=alert]").length')).toBe(0);
      expect(await webkit.run('return document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    });
  });

const programs = findWebKit();
if (programs) inWebKit(programs);
else
  test('NOT RUN, since webkit2gtk-driver or xvfb is not installed: the console in WebKit', () => {
    // A machine that has them sets it.
    expect(process.env.REQUIRE_WEBKIT).not.toBe('1');
  });
