/** Settings of a git that works on a repository of the person: what the repository names is not run. */
const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=',
  'core.askPass=',
  'core.attributesFile=/dev/null',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'transfer.bundleURI=false',
  'worktree.useRelativePaths=false',
];

/** As arguments, which count before every file of settings. */
export const ALONE: readonly string[] = SETTINGS.flatMap((setting) => ['-c', setting]);
