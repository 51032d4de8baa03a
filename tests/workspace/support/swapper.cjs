/**
 * Puts links to the outside in the place of a folder and of a file, and takes them away again, as fast as it can, until
 * it is ended: argv is the project and the outside.
 */
const { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const [project, outside] = process.argv.slice(2);
const SWAPS = [
  ['folder', outside],
  ['outer/inner', join(outside, 'dir')],
  ['outer', outside],
  ['file.txt', join(outside, 'secret.txt')],
  ['folder/file.txt', join(outside, 'secret.txt')],
];

/** A write from elsewhere may have taken the place meanwhile: then this swap is left out. */
function attempt(step) {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}

function swap(name, target) {
  const [path, parked] = [join(project, name), join(project, `${name}.parked`)];
  if (!attempt(() => renameSync(path, parked))) return;
  attempt(() => symlinkSync(target, path));
  attempt(() => unlinkSync(path));
  if (!attempt(() => renameSync(parked, path))) attempt(() => unlinkSync(parked));
}

/** What was removed meanwhile is made anew, so that there is something to exchange. Here nothing is exchanged just now. */
function mend() {
  for (const name of ['folder', 'outer', 'outer/inner']) attempt(() => mkdirSync(join(project, name)));
  for (const name of ['folder/file.txt', 'folder/secret.txt', 'outer/inner/inner.txt', 'file.txt']) {
    attempt(() => writeFileSync(join(project, name), 'inside', { flag: 'wx' }));
  }
}

process.stdout.write('ready\n');
for (let round = 1; ; round += 1) {
  mend();
  for (const [name, target] of SWAPS) swap(name, target);
  if (round % 1000 === 0) process.stdout.write('more\n');
}
