/** The start settings of each person's children. */
import { join } from 'node:path';
import type { Config } from '../../config/load-config.js';
import { type CliDefaults, cliBypassProblem } from '../../services/claude/cli/cli-arguments.js';
import { personalEnvironment } from '../../services/claude/cli/personal-folders.js';
import type { Log } from '../../services/ports/log.js';
import type { UserId } from '../../services/ports/records.js';
import type { HomePaths } from '../daemon-home.js';

interface ChildSettingsOptions {
  config: Config;
  paths: HomePaths;
  log: Log;
  owner: UserId;
}

/** The owner's children have the environment of a CLI in a terminal. */
export function childSettings({ config, paths, log, owner }: ChildSettingsOptions) {
  const own = { ...config.childEnvironment, ...exitDelay(config), ...summaries(config) };
  const environment = { ...DIALOGS_WAIT, ...FILE_CHECKPOINTS, ...own };
  const environmentOf = (person: UserId): NodeJS.ProcessEnv =>
    person === owner ? environment : personalEnvironment(environment, join(paths.people, person));
  const bypassProblem = problemOf(config);
  const withoutEffect = config.ALLOW_BYPASS ? bypassProblem : undefined;
  if (withoutEffect !== undefined) log.warn('ALLOW_BYPASS has no effect', { reason: withoutEffect });
  return { environmentOf, bypassProblem, withoutEffect, defaults: cliDefaults(config) };
}

/** Why `bypassPermissions` is not available here. */
const problemOf = ({ ALLOW_BYPASS, childEnvironment }: Config): string | undefined =>
  ALLOW_BYPASS ? cliBypassProblem(childEnvironment) : 'bypassPermissions needs ALLOW_BYPASS=true';

const cliDefaults = (config: Config): CliDefaults => ({
  allowedTools: config.CLAUDE_ALLOWED_TOOLS,
  disallowedTools: config.CLAUDE_DISALLOWED_TOOLS,
  allowBypass: problemOf(config) === undefined,
  home: config.home,
  ...(config.CLAUDE_MODEL !== undefined && { model: config.CLAUDE_MODEL }),
  ...(config.CLAUDE_PERMISSION_MODE !== undefined && { permissionMode: config.CLAUDE_PERMISSION_MODE }),
});

/** The CLI gives a dialog five minutes (2.1.332); a person who is away needs more. 0: no limit. */
const DIALOGS_WAIT = { CLAUDE_CODE_USER_DIALOG_TIMEOUT_MS: '0' };
/** The CLI keeps copies of the files that its tools change, from which `rewind_files` restores them (2.1.197 on). */
const FILE_CHECKPOINTS = { CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING: 'true' };

/** Overrides what `initialize` asks for (2.1.197 and 2.1.332). */
const summaries = ({ AGENT_PROGRESS_SUMMARIES }: Config) =>
  AGENT_PROGRESS_SUMMARIES === 'off' ? { CLAUDE_CODE_DISABLE_AGENT_PROGRESS_SUMMARIES: '1' } : {};

const EXIT_MARGIN_MS = 60_000;
/** A longer timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The CLI (2.1.197 and 2.1.329) exits by itself after this idle time following a turn: a fallback for when neither a
 * daemon nor its orphan watch has ended it. It also does so while a daemon lives, and regardless of its tools' running
 * processes, such as a server in use. So the delay is longer than the longest of the daemon's own times.
 */
function exitDelay({ IDLE_HIBERNATE_MS, ORPHAN_GRACE_MS, ORPHAN_WAIT_MS }: Config) {
  const longestMs = Math.max(IDLE_HIBERNATE_MS, ORPHAN_GRACE_MS, ORPHAN_WAIT_MS);
  const delayMs = Math.min(MAX_TIMER_MS, longestMs + EXIT_MARGIN_MS);
  return { CLAUDE_CODE_EXIT_AFTER_STOP_DELAY: String(delayMs) };
}
