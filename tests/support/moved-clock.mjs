/**
 * Preloaded into the daemon (`NODE_OPTIONS=--import`): its wall clock is off by as many milliseconds as the file says
 * that `CLOCK_FILE` names, read at the start and at every SIGUSR2. Timers and `performance` go on as they do when a
 * system's clock is set.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env.CLOCK_FILE;
delete process.env.NODE_OPTIONS;
if (isMainThread && file) install();

function install() {
  const System = Date;
  let offset = 0;
  const read = () => {
    try {
      offset = Number(readFileSync(file, 'utf8'));
    } catch {
      offset = 0;
    }
  };
  read();
  process.on('SIGUSR2', read);
  globalThis.Date = class extends System {
    constructor(...given) {
      super(...(given.length === 0 ? [System.now() + offset] : given));
    }

    static now() {
      return System.now() + offset;
    }
  };
}
