import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { writeBriefly } from '../disk/write-whole.js';
import type { Log } from '../services/ports/log.js';

export interface OrphanWatchOptions {
  /** The file that names the watch of the last started daemon. */
  file: string;
  runFolder: string;
  /** Idle children end after this time without a daemon. */
  graceMs: number;
  /** Children that wait for a person end after this time without a daemon. */
  waitMs: number;
  environment: Readonly<Record<string, string>>;
  log: Log;
}

export interface OrphanWatch {
  /** Ends the watch: there are no children left when this process ends. */
  dismiss(): void;
}

const MIN_TICK_MS = 50;
const MAX_TICK_MS = 5000;
const TICKS_OF_GRACE = 20;
const MAX_ROUND_MS = 60_000;

/**
 * A shell loop that handles the children when this process has ended, however it ended, and no other has come: `read`
 * returns when its pipe is closed, and until then nothing runs. It counts its own ticks and not the clock, so a
 * laptop's sleep does not count as absence. A new daemon writes another token into the file, and the loop ends at its
 * next tick.
 *
 * $1 file, $2 token, $3 seconds of a tick, $4 its milliseconds, $5 ticks of the grace, $6 ticks between two checks, $7
 * ORPHAN_WAIT_MS, then the program, with the run folder.
 */
const LOOP = `
file=$1 token=$2 tick=$3 tick_ms=$4 due=$5 round=$6 wait_ms=$7
shift 7
named() {
  now=
  { read -r now < "$file"; } 2> /dev/null
  [ "$now" = "$token" ]
}
read -r _
count=0
while named; do
  sleep "$tick" || [ $? -gt 128 ] || exit 0
  count=$((count + 1))
  [ "$count" -lt "$due" ] && continue
  named || exit 0
  "$@" "$file" "$token" $((count * tick_ms)) "$wait_ms"
  case $? in 0 | 126 | 127) exit 0 ;; esac
  due=$((count + round))
done
`;

/** Starts before the children are touched: from here on the watch of an earlier daemon does nothing. */
export function startOrphanWatch(options: OrphanWatchOptions): OrphanWatch {
  const { file, log } = options;
  const dismiss = () => rmSync(file, { force: true });
  try {
    // Where no new name can be written, the old one must not stay.
    dismiss();
    const token = randomUUID();
    writeBriefly(file, `${token}\n`);
    spawnLoop(options, token);
  } catch (error) {
    log.warn('the orphan watch cannot be started; children outlive the daemon without a limit', {
      error: (error as Error).message,
    });
  }
  return { dismiss };
}

function spawnLoop({ file, runFolder, graceMs, waitMs, environment, log }: OrphanWatchOptions, token: string): void {
  const tickMs = Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, Math.round(graceMs / TICKS_OF_GRACE)));
  const ticks = (ms: number) => String(Math.max(1, Math.ceil(ms / tickMs)));
  const program = fileURLToPath(new URL('./reap-orphans.js', import.meta.url));
  const pace = [String(tickMs / 1000), String(tickMs), ticks(graceMs), ticks(Math.min(graceMs, MAX_ROUND_MS))];
  const loop = spawn(
    'sh',
    ['-c', LOOP, 'orphan-watch', file, token, ...pace, String(waitMs), process.execPath, program, runFolder],
    { cwd: '/', env: environment, stdio: ['pipe', 'ignore', 'ignore'], detached: true },
  );
  loop.on('error', (error) => log.warn('the orphan watch has failed', { error: error.message }));
  // It has ended, or never started, which is reported above: nothing is written to it.
  loop.stdin.on('error', () => {});
  loop.unref();
  // Node represents a pipe as a socket, and only a socket has `unref`.
  if (loop.stdin instanceof Socket) loop.stdin.unref();
}
