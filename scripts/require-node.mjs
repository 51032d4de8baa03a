// Runs on every Node that has modules: no newer syntax here, and nothing is imported.
const NEEDED = [20, 19];
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(
    'Claude Companion needs Node ' +
      NEEDED.join('.') +
      ' or newer, and this is Node ' +
      process.versions.node +
      '.\n' +
      'Install a newer one, 24 for example, and run `npm ci` with it.',
  );
  process.exit(1);
}
