/**
 * Preloaded into a daemon (`NODE_OPTIONS=--import`): ends it with SIGKILL right behind the change number
 * `KILL_AFTER_WRITES` that it makes in `COMPANION_HOME` by itself. What SQLite writes is not counted.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const last = Number(process.env.KILL_AFTER_WRITES);
const home = process.env.COMPANION_HOME;
delete process.env.NODE_OPTIONS;
let count = 0;

const counts = (path) => String(path).startsWith(home);

function countOne() {
  count += 1;
  if (count === last) process.kill(process.pid, 'SIGKILL');
}

for (const name of ['mkdirSync', 'writeFileSync', 'renameSync', 'chmodSync', 'rmSync', 'writeSync']) {
  const call = fs[name];
  fs[name] = (path, ...rest) => {
    const result = call(path, ...rest);
    if (counts(path) || name === 'writeSync') countOne();
    return result;
  };
}
for (const name of ['writeFile', 'rename', 'rm', 'open']) {
  const call = fs.promises[name];
  fs.promises[name] = async (path, ...rest) => {
    const result = await call(path, ...rest);
    if (counts(path)) countOne();
    return result;
  };
}
if (isMainThread && last > 0) syncBuiltinESMExports();
