/**
 * Preloaded into the daemon (`NODE_OPTIONS=--import`): ends it with SIGKILL at an exact point in the life of one
 * prompt. The file that `KILL_POINT_FILE` names says which, as JSON: `{point, mark, bytes?}`. `mark` is in the prompt's
 * text and is its request id; `eventMark` in its place is in an event. The file is removed with the daemon, so that the
 * next one lives.
 */
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';

const file = process.env.KILL_POINT_FILE;
// Threads are not what is killed, and children would take it over.
delete process.env.NODE_OPTIONS;

const load = createRequire(import.meta.url);
const Database = load('better-sqlite3');
const { writeSync } = fs;

/** The prompt is in the journal. */
let isCommitted = false;

if (isMainThread && file) {
  watchCommits();
  watchSyncs();
  watchWrites();
}

function armed() {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

function dieAt(point) {
  if (armed().point !== point) return;
  fs.rmSync(file);
  process.kill(process.pid, 'SIGKILL');
}

function watchCommits() {
  const { transaction } = Database.prototype;
  const isOurs = ([change]) => {
    const { mark, eventMark } = armed();
    if (eventMark !== undefined) return change?.events?.some(({ data }) => data.includes(eventMark));
    return change?.prompts?.some(({ text }) => text.includes(mark));
  };
  Database.prototype.transaction = function (write) {
    const run = transaction.call(this, (...args) => {
      const result = write(...args);
      if (isOurs(args)) dieAt('in-commit');
      return result;
    });
    return (...args) => {
      if (!isOurs(args)) return run(...args);
      dieAt('before-commit');
      const result = run(...args);
      isCommitted = true;
      dieAt('after-commit');
      return result;
    };
  };
}

function watchSyncs() {
  const { fdatasync } = fs;
  fs.fdatasync = (descriptor, done) => {
    if (isCommitted) dieAt('before-sync');
    fdatasync(descriptor, (...result) => {
      if (isCommitted) dieAt('after-sync');
      done(...result);
    });
  };
  syncBuiltinESMExports();
}

function watchWrites() {
  const { write } = Socket.prototype;
  Socket.prototype.write = function (data, ...rest) {
    const what = concernOf(data);
    if (!what) return write.call(this, data, ...rest);
    dieAt(`before-${what}`);
    if (armed().point === `after-${what}`) return write.call(this, data, () => dieAt(`after-${what}`));
    return write.call(this, data, ...rest);
  };
  fs.writeSync = (descriptor, data, ...rest) => {
    if (armed().point === 'mid-write' && concernOf(data) === 'write') writePart(descriptor, data);
    return writeSync(descriptor, data, ...rest);
  };
  syncBuiltinESMExports();
}

/** Whether this is the prompt on its way to the child, or its answer on the way to the client. */
function concernOf(data) {
  const { mark } = armed();
  if (mark === undefined) return undefined;
  const start = Buffer.from(data).subarray(0, 4096).toString('latin1');
  if (start.includes(`"requestId":"${mark}"`)) return 'answer';
  return start.startsWith('{"type":"user"') && start.includes(mark) ? 'write' : undefined;
}

/** The first bytes of a line, or all but the last, into a pipe that takes 64 KiB at a time. */
function writePart(descriptor, line) {
  const { point, bytes } = armed();
  const part = line.subarray(0, bytes > 0 ? bytes : line.length + bytes);
  for (let at = 0; at < part.length; ) {
    try {
      at += writeSync(descriptor, part, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
  dieAt(point);
}
