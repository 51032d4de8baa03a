import { rulesWithin } from '../../../protocol/permission-rules.js';
import type { StartOptions } from '../../ports/claude.js';

/** The owner's settings for every child. */
export interface CliDefaults {
  model?: string;
  permissionMode?: string;
  allowedTools: string[];
  disallowedTools: string[];
  /** Whether a child can be switched to `bypassPermissions`; the CLI refuses to start where that is not permitted. */
  allowBypass: boolean;
  /** The daemon's home, which children must not read. */
  home: string;
}

/** Permits `bypassPermissions` from the start or, with a stream, later. The CLI refuses to start with it as root. */
const ALLOW_BYPASS = '--allow-dangerously-skip-permissions';

const STREAM_ARGUMENTS = [
  '--print',
  '--input-format=stream-json',
  '--output-format=stream-json',
  '--verbose',
  '--include-partial-messages',
  '--include-hook-events',
  '--permission-prompt-tool=stdio',
  '--replay-user-messages',
];

/** The command line of a child. Values are passed with `=`, so that none of them can be parsed as an option. */
export function cliArguments(options: StartOptions, defaults: CliDefaults): string[] {
  const args = [...STREAM_ARGUMENTS, ...commonArguments(options, defaults)];
  for (const folder of options.addDirectories) args.push(`--add-dir=${folder}`);
  if (options.effort !== undefined) args.push(`--effort=${options.effort}`);
  if (defaults.allowBypass) args.push(ALLOW_BYPASS);
  if (options.resume) args.push(`--resume=${options.resume.path ?? options.resume.claudeSessionId}`);
  if (options.resume?.fork) args.push('--fork-session');
  if (options.resume?.at !== undefined) args.push(`--resume-session-at=${options.resume.at}`);
  return args;
}

/** The command line of a child for a single question, which is passed by stdin. `conversation`: a new uuid. */
export const askArguments = (conversation: string, defaults: CliDefaults): string[] => [
  '--print',
  '--output-format=json',
  `--session-id=${conversation}`,
  ...commonArguments({ allowedTools: [] }, defaults),
  ...(modeOf({ allowedTools: [] }, defaults) === 'bypassPermissions' ? [ALLOW_BYPASS] : []),
];

/** The command line of a child that answers one conversation and keeps none. */
export const chatArguments = (
  conversation: string,
  { model }: { model?: string | undefined },
  defaults: CliDefaults,
): string[] => [
  '--print',
  '--input-format=stream-json',
  '--output-format=stream-json',
  '--verbose',
  '--include-partial-messages',
  '--no-session-persistence',
  `--session-id=${conversation}`,
  ...commonArguments({ allowedTools: [], ...(model !== undefined && { model }) }, defaults),
  ...(modeOf({ allowedTools: [] }, defaults) === 'bypassPermissions' ? [ALLOW_BYPASS] : []),
];

type Common = Pick<StartOptions, 'allowedTools' | 'model' | 'permissionMode'>;

/** The arguments of every child, whatever its purpose. */
function commonArguments(options: Common, defaults: CliDefaults): string[] {
  const args = [`--settings=${JSON.stringify(settingsOf(defaults))}`];
  const model = options.model ?? defaults.model;
  args.push(`--permission-mode=${modeOf(options, defaults)}`);
  const allowed = [...defaults.allowedTools, ...options.allowedTools];
  if (model !== undefined) args.push(`--model=${model}`);
  for (const rule of allowed) args.push(`--allowedTools=${rule}`);
  for (const rule of defaults.disallowedTools) args.push(`--disallowedTools=${rule}`);
  return args;
}

/** Always passed: without it, the CLI uses its settings, which others can write. */
function modeOf(options: Common, { permissionMode, allowBypass }: CliDefaults): string {
  const mode = options.permissionMode ?? permissionMode ?? 'default';
  return mode === 'bypassPermissions' && !allowBypass ? 'default' : mode;
}

const settingsOf = ({ home }: Pick<CliDefaults, 'home'>) => ({ permissions: { deny: rulesWithin(home) } });

/**
 * Why the CLI would not start with `bypassPermissions` allowed; undefined where it would. As root it exits at once,
 * unless its environment declares a sandbox (2.1.197 to 2.1.332).
 */
export function cliBypassProblem(environment: NodeJS.ProcessEnv, uid = process.getuid?.()): string | undefined {
  if (uid !== 0 || environment.IS_SANDBOX === '1' || environment.CLAUDE_CODE_BUBBLEWRAP === '1') return undefined;
  return 'the CLI refuses bypassPermissions as root: run the daemon as another user, or set IS_SANDBOX=1 in a sandbox';
}
