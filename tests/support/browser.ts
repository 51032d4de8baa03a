/** A real browser, and pages of other sites on this machine for it to open. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type * as Playwright from 'playwright-core';
import type { Page } from 'playwright-core';
import { findProgram } from './find-program.js';
import { requireKept } from './kept.js';

const { chromium } = requireKept('playwright-core') as Pick<typeof Playwright, 'chromium'>;

export const findChromium = (): string | undefined => findProgram('chromium');

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Newer browsers keep pages of the network from this machine by themselves; the daemon may not rely on it.
  '--disable-features=LocalNetworkAccessChecks',
];

export interface BrowserOptions {
  /** Of `findChromium`. */
  path: string;
  /** Names that resolve to this machine, as their owner can make them do. */
  names: readonly string[];
}

export interface Browser {
  /** A page of its own, without anything that another one has kept. */
  open(url: string): Promise<OpenPage>;
  close(): Promise<void>;
}

export interface OpenPage {
  readonly page: Page;
  /** Of the page itself. */
  readonly status: number;
  /** Has the page do something of `in-page.cjs`; resolves with what it has learnt. */
  do<T = Record<string, unknown>>(what: 'socket' | 'ask' | 'submit' | 'beacon' | 'script', how: object): Promise<T>;
}

export async function startBrowser({ path, names }: BrowserOptions): Promise<Browser> {
  const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join(', ');
  const browser = await chromium.launch({
    executablePath: path,
    args: [...ARGUMENTS, `--host-resolver-rules=${rules}`],
  });
  return {
    open: async (url) => {
      const context = await browser.newContext();
      await context.addInitScript({ path: join(import.meta.dirname, 'in-page.cjs') });
      const page = await context.newPage();
      const response = await page.goto(url);
      return {
        page,
        status: response?.status() ?? 0,
        do: (what, how) => page.evaluate(`inPage.${what}(${JSON.stringify(how)})`),
      };
    },
    close: () => browser.close(),
  };
}

export interface Site {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves an empty page under every name; at `/sandboxed` one that has no origin. */
export async function startSite(): Promise<Site> {
  const server = createServer(({ url }, response) => {
    if (url === '/sandboxed') response.setHeader('content-security-policy', 'sandbox allow-scripts allow-forms');
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>page</title><body></body>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
