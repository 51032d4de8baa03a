// Runs on every Node that has modules: no newer syntax here, and nothing is imported. The versions are those of
// `engines` in package.json: 21 and 22.0 to 22.1 have no `crc32` in zlib.
const [major, minor] = process.versions.node.split('.').map(Number);
const isSupported = major === 20 ? minor >= 19 : major === 22 ? minor >= 2 : major > 22;
if (!isSupported) {
  console.error(
    'Claude Companion needs Node 20.19 or newer within 20, or 22.2 or newer. This is Node ' +
      process.versions.node +
      '.\nInstall a supported version, such as 24, and run `npm ci` with it.',
  );
  process.exit(1);
}
