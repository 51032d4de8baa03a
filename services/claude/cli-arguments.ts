import type { StartOptions } from '../ports/claude.js';

/** What the owner has set for every child. */
export interface CliDefaults {
  model?: string;
  permissionMode?: string;
  allowedTools: string[];
  disallowedTools: string[];
  allowBypass: boolean;
  /** The daemon's home, which no child may read. */
  home: string;
}

const STREAM_ARGUMENTS = [
  '--print',
  '--input-format=stream-json',
  '--output-format=stream-json',
  '--verbose',
  '--include-partial-messages',
  '--permission-prompt-tool=stdio',
  '--replay-user-messages',
];

/** The command line of a child. Values go with `=`, so that none of them can be read as an option. */
export function cliArguments(options: StartOptions, defaults: CliDefaults): string[] {
  const args = [...STREAM_ARGUMENTS, `--settings=${JSON.stringify(settingsOf(defaults))}`];
  const model = options.model ?? defaults.model;
  // Always said: where it is not, the CLI takes what its settings say, which others can write.
  args.push(`--permission-mode=${options.permissionMode ?? defaults.permissionMode ?? 'default'}`);
  const allowed = [...defaults.allowedTools, ...options.allowedTools];
  if (model !== undefined) args.push(`--model=${model}`);
  if (defaults.allowBypass) args.push('--allow-dangerously-skip-permissions');
  for (const rule of allowed) args.push(`--allowedTools=${rule}`);
  for (const rule of defaults.disallowedTools) args.push(`--disallowedTools=${rule}`);
  for (const folder of options.addDirectories) args.push(`--add-dir=${folder}`);
  if (options.resume) args.push(`--resume=${options.resume.claudeSessionId}`);
  if (options.resume?.fork) args.push('--fork-session');
  return args;
}

/** A rule with a double slash means an absolute path (the CLI's permission rules). */
export const settingsOf = ({ home }: Pick<CliDefaults, 'home'>) => ({
  permissions: { deny: [`Read(/${home}/**)`, `Edit(/${home}/**)`] },
});
