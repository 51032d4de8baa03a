/** A real Chromium with the console, paired, whose page notes down what a person would see: see in-console.cjs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import { findChromium } from '../../tests/support/browser.js';
import type { Daemon } from '../../tests/support/daemon.js';
import { askLocally } from '../../tests/support/identity-world.js';
import { now } from './clock.js';

const SIZE = { width: 1280, height: 900 };
const CLOCK_LOOKS = 20;
const KILOBYTE = 1000;
/** Slow 4G, as the browsers' own tools have it. */
const MOBILE = { latency: 150, downloadThroughput: (1600 * KILOBYTE) / 8, uploadThroughput: (750 * KILOBYTE) / 8 };
const NO_LIMIT = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };

export interface Noted {
  readyAt: number | undefined;
  /** When each delta was written, on the clock of `now`, and when it was painted, on that of the page. */
  paints: [writtenAt: number, paintedAt: number][];
  frames: number[];
  longTasks: number[];
  inputs: number[];
  dialledAt: number;
}

export interface ConsolePage {
  readonly page: Page;
  /** Loads the page without anything that the browser has kept; milliseconds until the sessions are listed. */
  load(network: 'loopback' | 'mobile'): Promise<number>;
  /** What is added to a time of the page for the same on the clock of `now`. */
  clockOffset(): Promise<number>;
  /** Calls a function of in-console.cjs. */
  measured<T>(call: string): Promise<T>;
  /** Of the heap of scripts after a collection, and of all that the page's process holds alone, in MiB. */
  memory(): Promise<{ heap: number; process: number }>;
  close(): Promise<void>;
}

export async function openConsole(daemon: Daemon): Promise<ConsolePage> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('chromium is not installed');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
  const context = await browser.newContext({ viewport: SIZE, serviceWorkers: 'block' });
  await context.addInitScript({ path: join(import.meta.dirname, 'in-console.cjs') });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  await page.goto(daemon.url);
  const { code } = await askLocally<{ code: string }>(daemon, 'POST', '/local/pair', {});
  await page.getByLabel('Pairing code').fill(code);
  await page.getByRole('button', { name: 'Pair', exact: true }).click();
  await page.getByRole('button', { name: 'New session', exact: true }).waitFor();
  const measured = <T>(call: string) => page.evaluate(`measured.${call}`) as Promise<T>;
  return {
    page,
    measured,
    load: (network) => load({ page, cdp, url: daemon.url, network }),
    clockOffset: () => clockOffset(page),
    memory: () => memoryOf(browser, cdp),
    close: () => browser.close(),
  };
}

interface Load {
  page: Page;
  cdp: CDPSession;
  url: string;
  network: 'loopback' | 'mobile';
}

async function load({ page, cdp, url, network }: Load): Promise<number> {
  await page.goto('about:blank');
  await cdp.send('Network.clearBrowserCache');
  const limits = network === 'mobile' ? MOBILE : NO_LIMIT;
  await cdp.send('Network.emulateNetworkConditions', { offline: false, ...limits });
  await page.goto(url);
  const took = (await page.evaluate('measured.ready()')) as number;
  await cdp.send('Network.emulateNetworkConditions', { offline: false, ...NO_LIMIT });
  return took;
}

/** Of the answer that came fastest, the middle. */
async function clockOffset(page: Page): Promise<number> {
  let best = { took: Number.POSITIVE_INFINITY, offset: 0 };
  for (let look = 0; look < CLOCK_LOOKS; look += 1) {
    const before = now();
    const at = Number(await page.evaluate('performance.now()'));
    const took = now() - before;
    if (took < best.took) best = { took, offset: before + took / 2 - at };
  }
  return best.offset;
}

const MIB = 1024 * 1024;
const KIB_IN_MIB = 1024;

async function memoryOf(browser: Browser, cdp: CDPSession): Promise<{ heap: number; process: number }> {
  await cdp.send('HeapProfiler.collectGarbage');
  await cdp.send('Performance.enable');
  const { metrics } = await cdp.send('Performance.getMetrics');
  const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
  const { processInfo } = await (await browser.newBrowserCDPSession()).send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  return { heap: heap / MIB, process: Math.max(...renderers.map(({ id }) => ownMib(id))) };
}

/** What a process shares with no other one. */
function ownMib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = [...rollup.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)].map(([, size]) => Number(size));
  return kib.reduce((sum, size) => sum + size, 0) / KIB_IN_MIB;
}
