/**
 * Preloaded into a daemon (`NODE_OPTIONS=--import`): ends it with SIGKILL right behind one of the changes that it makes in
 * the trash or through a held directory. The file that `KILL_POINT_FILE` names has the number of that change, counted anew for another number, and is
 * removed with the daemon, so that the next one lives.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const file = process.env.KILL_POINT_FILE;
const trash = `${process.env.COMPANION_HOME}/trash`;
delete process.env.NODE_OPTIONS;
let order = '';
let count = 0;

const counts = (path) => String(path).startsWith(trash) || String(path).startsWith('/proc/self/fd/');

function countOne() {
  if (!fs.existsSync(file)) return;
  const given = fs.readFileSync(file, 'utf8');
  count = given === order ? count + 1 : 1;
  order = given;
  if (count !== Number.parseInt(given, 10)) return;
  fs.rmSync(file);
  process.kill(process.pid, 'SIGKILL');
}

if (isMainThread && file) {
  for (const name of ['mkdir', 'writeFile', 'rename', 'link', 'unlink', 'rmdir', 'rm', 'open']) {
    const call = fs.promises[name];
    fs.promises[name] = async (path, ...rest) => {
      const result = await call(path, ...rest);
      if (counts(path)) countOne();
      return result;
    };
  }
  syncBuiltinESMExports();
}
