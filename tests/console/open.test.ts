/** `companion open`, with the program that opens a browser replaced by one that tells what it was given. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findChromium, startBrowser } from '../support/browser.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const PROGRAM = join(import.meta.dirname, '../../dist/cli/main.js');

async function open(opener: string) {
  const folder = join(world.daemon.root, 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, process.platform === 'darwin' ? 'open' : 'xdg-open'), `#!/bin/sh\n${opener}\n`, {
    mode: 0o755,
  });
  const env = { ...world.daemon.environment, PATH: `${folder}:${process.env.PATH}` };
  const run = spawn(process.execPath, [PROGRAM, 'open'], { env });
  const said: string[] = [];
  for (const stream of [run.stdout, run.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const [code] = await once(run, 'exit');
  return { code, said: said.join('') };
}

test('opens the console, paired, and leaves the code neither in arguments nor in the history', async () => {
  const given = join(world.daemon.root, 'given');
  const { code, said } = await open(`printf %s "$1" > ${given}`);
  expect({ code, said }).toMatchObject({ code: 0, said: expect.stringContaining(`Opened ${world.daemon.url}`) });
  const argument = readFileSync(given, 'utf8');
  expect(argument).toBe(`file://${join(world.daemon.home, 'open.html')}`);
  expect(statSync(new URL(argument)).mode & 0o777).toBe(0o600);
  const path = findChromium();
  if (path === undefined) return;
  const browser = await startBrowser({ path, names: [] });
  try {
    const { page } = await browser.open(argument);
    await page.getByText('No sessions yet.').waitFor();
    expect(page.url()).toBe(`${world.daemon.url}/`);
    const session = await page.context().newCDPSession(page);
    const { entries } = await session.send('Page.getNavigationHistory');
    expect(entries.map(({ url }) => url).filter((url) => url.includes('pair='))).toEqual([]);
  } finally {
    await browser.close();
  }
});

test('says what to do where there is no browser', async () => {
  expect(await open('exit 3')).toMatchObject({ code: 1, said: expect.stringContaining('type the code that') });
});
