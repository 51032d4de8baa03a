import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pairingSchema } from '../protocol/auth.js';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import { type CommandContext, post, type Report, say } from './commands.js';

/** What opens an address in the person's browser. */
const OPENER = process.platform === 'darwin' ? 'open' : 'xdg-open';

/**
 * Opens the console in the browser of this machine, paired by a code that works once. The code is in a file that only
 * the person can read, since every user of a machine sees the arguments of its programs.
 */
export async function openCommand(context: CommandContext): Promise<Report> {
  const { url: pairing, code, expiresAt } = pairingSchema.parse(await post(context, { path: '/local/pair', body: {} }));
  const address = new URL(pairing).searchParams.get('url') ?? '';
  const page = join(context.home, 'open.html');
  rmSync(page, { force: true });
  writeFileSync(page, redirection(`${address}/#pair=${code}`), { mode: 0o600, flag: 'wx' });
  await run(OPENER, pathToFileURL(page).href);
  const shown = plainLine(address, 1000);
  return say(
    { url: address, code, expiresAt },
    `Opened ${shown}\nIf no page appears, open that address and type the code ${plainLine(code, 64)}.`,
  );
}

/** Works without scripts, which a browser can have turned off for files. */
const redirection = (url: string): string =>
  `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=${url.replaceAll('"', '%22')}">\n`;

/** Resolves when the program has handed the address on. */
async function run(program: string, argument: string): Promise<void> {
  const child = spawn(program, [argument], { stdio: 'ignore' });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code === 0) return;
  } catch {
    // It is not installed, as on a machine without a screen.
  }
  throw new CompanionError('CONFLICT', `${program} has opened no browser.`, {
    suggestion: 'Open the address of the console in a browser, and type the code that the command pair shows.',
  });
}
