import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { commandHints, companionHomes } from '../config/command-hints.js';
import { plainLine } from '../protocol/plain-text.js';
import { findPortHolder, type PortHolder } from '../services/machine/port-holder.js';

/** The daemon cannot listen on the configured address. */
export class ListenError extends Error {}

interface Address {
  host: string;
  port: number;
}

/**
 * Explains why the daemon cannot listen on an address, and which process holds its port where that can be determined.
 */
export async function listenError(error: NodeJS.ErrnoException, { host, port }: Address): Promise<ListenError> {
  if (error.code !== 'EADDRINUSE') {
    return new ListenError(`The daemon cannot listen at HOST and PORT: ${error.message}`);
  }
  const holder = await findPortHolder(port, process.platform);
  return new ListenError(
    `${host}:${port} is in use${holder ? ` by ${describe(holder)}` : ''}. Set PORT to another port${remedy(holder)}.`,
  );
}

const MAX_COMMAND = 120;

function describe(holder: PortHolder): string {
  const home = companionHomeOf(holder);
  if (home !== undefined) return `another Claude Companion (pid ${holder.pid}), which serves ${home}`;
  const command = holder.command === '' ? '' : `: ${plainLine(holder.command, MAX_COMMAND)}`;
  return `the process ${holder.pid}${command}`;
}

function remedy(holder: PortHolder | undefined): string {
  const home = holder && companionHomeOf(holder);
  return home === undefined ? '' : `, or stop the other one: ${commandHints(home).companion('stop')}`;
}

/** The home that a process serves: a daemon writes its pid there. */
const companionHomeOf = ({ pid, home }: PortHolder): string | undefined =>
  [...(home === undefined ? [] : [home]), ...companionHomes(homedir())].find((one) => pidIn(one) === pid);

function pidIn(home: string): number | undefined {
  try {
    return Number(readFileSync(join(home, 'daemon.pid'), 'utf8'));
  } catch {
    // No daemon has served there, or another user's has.
    return undefined;
  }
}
