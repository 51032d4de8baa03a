/**
 * Preloaded into the daemon (`NODE_OPTIONS=--import`): ends it with SIGKILL between the effect of a request and its
 * answer. The file that `KILL_POINT_FILE` names says when: `before-keeping` or `before-answering`. It is removed with
 * the daemon, so that the next one lives.
 */
import fs from 'node:fs';
import { ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const file = process.env.KILL_POINT_FILE;
delete process.env.NODE_OPTIONS;

function dieAt(point) {
  if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== point) return;
  fs.rmSync(file);
  process.kill(process.pid, 'SIGKILL');
}

if (isMainThread && file) {
  const Database = createRequire(import.meta.url)('better-sqlite3');
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql);
    if (!sql.startsWith('UPDATE answers')) return statement;
    const { run } = statement;
    statement.run = (...args) => {
      dieAt('before-keeping');
      return run.apply(statement, args);
    };
    return statement;
  };
  const { end } = ServerResponse.prototype;
  ServerResponse.prototype.end = function (...args) {
    if (this.req.headers['idempotency-key']) dieAt('before-answering');
    return end.apply(this, args);
  };
}
