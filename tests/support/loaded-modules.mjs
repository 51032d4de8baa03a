/** Preloaded into a program (`--import`): writes the address of each module that it loads, of either kind, to a file. */
import { appendFileSync } from 'node:fs';
import Module, { register } from 'node:module';

const file = process.env.LOADED_MODULES;
const hooks = `
  import { appendFileSync } from 'node:fs';
  export async function load(url, context, next) {
    appendFileSync(${JSON.stringify(file)}, url + '\\n');
    return next(url, context);
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { _load: load } = Module;
Module._load = function _load(request, parent, isMain) {
  appendFileSync(file, `${request}\n`);
  return load.call(this, request, parent, isMain);
};
