/** A browser that is paired with the world's daemon. What its pages report as an error fails the test that caused it. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { type Browser, findChromium, startBrowser } from '../../support/browser.js';
import { askLocally } from '../../support/identity-world.js';
import type { World } from '../../support/world.js';

const START_MS = 60_000;
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
/** Pictures are kept here where somebody wants to see them. */
const pictures = process.env.CONSOLE_PICTURES;

export interface ConsolePage {
  page: Page;
  /** What the page has reported, also violations of its policy. Emptied by the test that expects it. */
  readonly faults: string[];
  /** What this page reports is a fault as well. */
  watch(page: Page): void;
  /** A page of another browser, which knows nothing of this one. Whoever asks for it closes its context. */
  stranger(options?: BrowserContextOptions): Promise<Page>;
  /** Opens the session of a directory with a first prompt; resolves with its id. */
  begin(directory: string, prompt: string): Promise<string>;
  write(text: string): Promise<void>;
  /** Sends a prompt from the session that is shown. */
  send(text: string): Promise<void>;
  /** Of a phone and of a desk. */
  picture(name: string): Promise<void>;
}

/** Runs the tests of `define` in Chromium, or says that it is missing. */
export function inChromium(title: string, define: (path: string) => void): void {
  const path = findChromium();
  if (path !== undefined) {
    define(path);
    return;
  }
  test(`NOT RUN, since chromium is not installed: ${title}`, () => {
    // The machine of the checks sets it: there this file has to run.
    expect(process.env.REQUIRE_CHROMIUM).not.toBe('1');
  });
}

/** One browser and one page for the tests of a file. */
export function useConsolePage(world: Pick<World, 'daemon'>, path: string): ConsolePage {
  let browser: Browser;
  const faults: string[] = [];
  const shown = { faults } as ConsolePage;
  beforeAll(async () => {
    browser = await startBrowser({ path, names: [] });
    const { page } = await browser.open(world.daemon.url);
    await page.setViewportSize(PHONE);
    const watch = (one: Page) => {
      one.on('console', (message) => {
        if (message.type() === 'error') faults.push(message.text());
      });
      one.on('pageerror', (error) => void faults.push(String(error)));
    };
    watch(page);
    const stranger = async (options: BrowserContextOptions = {}) => {
      const context = await page.context().browser()?.newContext(options);
      if (!context) throw new Error('the page has no browser');
      return context.newPage();
    };
    Object.assign(shown, actionsOf(page), { stranger, watch });
    await pair(world, page);
  }, START_MS);
  afterEach(() => expect(faults.splice(0)).toEqual([]));
  afterAll(async () => browser.close());
  return shown;
}

/** From its first view on. */
export async function pair(world: Pick<World, 'daemon'>, page: Page): Promise<void> {
  const { code } = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
  await page.getByLabel('Pairing code').fill(code);
  await page.getByRole('button', { name: 'Pair', exact: true }).click();
  await page.getByRole('button', { name: 'New session', exact: true }).waitFor();
}

const actionsOf = (page: Page): Omit<ConsolePage, 'faults' | 'stranger' | 'watch'> => ({
  page,
  begin: async (directory, prompt) => {
    await page.goto(new URL('/#/new', page.url()).href);
    await page.getByLabel('Directory').fill(directory);
    await page.getByLabel('First message').fill(prompt);
    await page.getByRole('button', { name: 'Start' }).click();
    await page
      .getByRole('textbox', { name: 'Message', exact: true })
      .waitFor()
      .catch(async (error: unknown) => {
        throw new Error(`at ${page.url()}: ${await page.locator('body').innerText()}`, { cause: error });
      });
    return new URL(page.url()).hash.replace('#/s/', '');
  },
  write: (text) => page.getByRole('textbox', { name: 'Message', exact: true }).fill(text),
  send: async (text) => {
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill(text);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
  },
  picture: async (name) => {
    if (pictures === undefined) return;
    await page.screenshot({ path: join(pictures, `${name}-390.png`) });
    await page.setViewportSize(DESK);
    await page.screenshot({ path: join(pictures, `${name}-1280.png`) });
    await page.setViewportSize(PHONE);
  },
});
