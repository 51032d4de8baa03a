/** A real WebKit without Playwright's own build: WebKitGTK's small browser, told what to do over W3C WebDriver. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../support/find-program.js';
import { freePort } from '../../support/free-port.js';
import { waitUntil } from '../../support/wait-until.js';

export interface WebKitPrograms {
  driver: string;
  browser: string;
  /** The browser has no mode without a screen. */
  screen: string;
}

const LIBRARIES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/libexec', '/usr/lib'];

/** Debian has it beside the library, whose version is in the name of the folder. */
function findMiniBrowser(): string | undefined {
  const folders = LIBRARIES.filter((path) => existsSync(path)).flatMap((path) =>
    readdirSync(path)
      .filter((name) => name.startsWith('webkit2gtk-') || name.startsWith('webkitgtk-'))
      .map((name) => join(path, name, 'MiniBrowser')),
  );
  return folders.find((path) => existsSync(path));
}

/** Undefined where one of them is not installed: Debian's packages are `webkit2gtk-driver` and `xvfb`. */
export function findWebKit(): WebKitPrograms | undefined {
  const [driver, browser, screen] = [findProgram('WebKitWebDriver'), findMiniBrowser(), findProgram('Xvfb')];
  return driver !== undefined && browser !== undefined && screen !== undefined
    ? { driver, browser, screen }
    : undefined;
}

export interface WebKit {
  goTo(url: string): Promise<void>;
  /** Each waits for an element that fits the XPath. */
  type(path: string, text: string): Promise<void>;
  click(path: string): Promise<void>;
  waitFor(path: string): Promise<void>;
  /** Runs the body of a function in the page; resolves with what it returns. */
  run(script: string): Promise<unknown>;
  close(): Promise<void>;
}

/** The key of an element in answers, by the specification. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

export async function startWebKit({ driver, browser, screen }: WebKitPrograms): Promise<WebKit> {
  const display = spawn(screen, ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [number] = (await once(display.stdout, 'data')) as [Buffer];
  const port = await freePort();
  const child = spawn(driver, [`--port=${port}`], {
    stdio: 'ignore',
    env: { ...process.env, DISPLAY: `:${String(number).trim()}` },
  });
  const ask = askerOf(`http://127.0.0.1:${port}`);
  await waitUntil('the driver listens', () => ask('GET', '/status').then(Boolean, () => false));
  const options = { 'webkitgtk:browserOptions': { binary: browser, args: ['--automation'] } };
  const { sessionId } = await ask<{ sessionId: string }>('POST', '/session', {
    capabilities: { alwaysMatch: options },
  });
  const inSession = <T>(method: string, path: string, body?: object) =>
    ask<T>(method, `/session/${sessionId}${path}`, body);
  return {
    ...actionsOf(inSession),
    close: async () => {
      await inSession('DELETE', '');
      for (const one of [child, display]) await end(one);
    },
  };
}

type Ask = <T>(method: string, path: string, body?: object) => Promise<T>;

/** Rejects with the words of the driver. */
const askerOf =
  (url: string): Ask =>
  async (method, path, body) => {
    const answer = await fetch(`${url}${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
    const { value } = (await answer.json()) as { value: { error?: string; message?: string } };
    if (!answer.ok) throw new Error(`${path}: ${value.error} ${value.message}`);
    return value as never;
  };

function actionsOf(ask: Ask): Omit<WebKit, 'close'> {
  const find = async (path: string): Promise<string> => {
    let found: Record<string, string> | undefined;
    await waitUntil(`${path} is there`, async () => {
      [found] = await ask<Record<string, string>[]>('POST', '/elements', { using: 'xpath', value: path });
      return found !== undefined;
    });
    return found?.[ELEMENT] ?? '';
  };
  return {
    goTo: (url) => ask('POST', '/url', { url }),
    type: async (path, text) => ask('POST', `/element/${await find(path)}/value`, { text }),
    click: async (path) => ask('POST', `/element/${await find(path)}/click`, {}),
    waitFor: async (path) => void (await find(path)),
    run: (script) => ask('POST', '/execute/sync', { script, args: [] }),
  };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}
