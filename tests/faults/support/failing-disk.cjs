/**
 * Loaded into a daemon with `NODE_OPTIONS=--require`: makes reads and writes fail while the file `FAILING_DISK` says so. It holds
 * `[{call, match, code}]`: `call` is a name below, `match` a part of the path or of the SQL, `code` the error's.
 */
const fs = require('node:fs');
const { createRequire, syncBuiltinESMExports } = require('node:module');

const main = process.argv[1] ?? '';
if (main.endsWith('dist/server/main.js')) install(process.env.FAILING_DISK);

function install(control) {
  const { readFileSync, readlinkSync } = fs;
  const faultOf = (call, subject) => {
    const faults = JSON.parse(readFileSync(control, 'utf8'));
    return faults.find((fault) => fault.call === call && subject.includes(fault.match))?.code;
  };
  const check = (call, path) => {
    const code = faultOf(call, String(path));
    if (code === undefined) return;
    throw Object.assign(new Error(`${code}: made to fail, ${call} '${path}'`), { code, syscall: call, path });
  };
  const pathOf = (descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`);

  const wrapSync = (name, call) => {
    const original = fs[name];
    fs[name] = (path, ...rest) => {
      check(call, path);
      return original(path, ...rest);
    };
  };
  const wrapPromise = (name, call) => {
    const original = fs.promises[name];
    fs.promises[name] = async (path, ...rest) => {
      check(call, path);
      return original(path, ...rest);
    };
  };
  for (const name of ['readFile', 'readdir', 'writeFile', 'mkdir', 'rename', 'rm']) {
    wrapSync(`${name}Sync`, name);
    wrapPromise(name, name);
  }
  wrapSync('openSync', 'open');

  const { fdatasync } = fs;
  fs.fdatasync = (descriptor, callback) => {
    try {
      check('fdatasync', pathOf(descriptor));
    } catch (error) {
      process.nextTick(callback, error);
      return;
    }
    fdatasync(descriptor, callback);
  };
  const { open } = fs.promises;
  fs.promises.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    const append = handle.appendFile.bind(handle);
    handle.appendFile = async (...data) => {
      check('append', path);
      return append(...data);
    };
    return handle;
  };
  syncBuiltinESMExports();

  const Database = createRequire(main)('better-sqlite3');
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function prepareFailing(sql) {
    const statement = prepare.call(this, sql);
    const run = statement.run.bind(statement);
    statement.run = (...values) => {
      const code = faultOf('sqlite', sql);
      if (code !== undefined) throw new Database.SqliteError('made to fail', code);
      return run(...values);
    };
    return statement;
  };
}
