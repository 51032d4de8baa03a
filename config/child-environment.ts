import { homedir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

const SECRET_PREFIXES = ['APNS_', 'VAPID_', 'NTFY_', 'COMPANION_', 'LIMIT_', 'npm_'];
/** Variables that pm2 adds to its processes (its `pm2_env`): with them a child's own `pm2` would act on ours. */
const PM2_PREFIXES = ['pm_', 'PM2_', 'axm_'];
const PM2_NAMES = new Set(
  (
    'name namespace status command version versioning unique_id username env args node_args node_version instances ' +
    'instance_var exec_mode exec_interpreter watch autorestart autostart automation merge_logs vizion vizion_running ' +
    'treekill windowsHide pmx km_link kill_timeout kill_retry_time listen_timeout wait_ready time created_at ' +
    'restart_time restart_delay unstable_restarts prev_restart_delay exp_backoff_restart_delay max_memory_restart ' +
    'max_restarts min_uptime started_inside filter_env cron_restart exit_code increment_var NODE_APP_INSTANCE'
  ).split(' '),
);

/** A daemon started inside a Claude session must not make its children believe that they run in it. */
const OUTER_SESSION = ['CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'CLAUDE_COMPANION_SESSION', 'CLAUDE_COMPANION_CHILD'];

/** The environment of a CLI child: the daemon's without its settings. The CLI must not update itself while it runs. */
export function childEnvironment(
  environment: NodeJS.ProcessEnv,
  settingNames: readonly string[],
): Readonly<Record<string, string>> {
  const underPm2 = environment.pm_id !== undefined;
  const own = new Set([...settingNames, ...OUTER_SESSION, ...(underPm2 ? PM2_NAMES : [])]);
  const prefixes = underPm2 ? [...SECRET_PREFIXES, ...PM2_PREFIXES] : SECRET_PREFIXES;
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !own.has(entry[0]) && !prefixes.some((prefix) => entry[0].startsWith(prefix)),
  );
  return Object.freeze({ ...withAbsolutePaths(Object.fromEntries(kept)), DISABLE_AUTOUPDATER: '1' });
}

/**
 * The CLI resolves these against its own directory, the daemon against another; they must not mean two places. A blank
 * `CLAUDE_CONFIG_DIR` counts as unset. Throws with the problem.
 */
function withAbsolutePaths({ CLAUDE_CONFIG_DIR: folder = '', ...others }: Record<string, string>) {
  const { PATH } = others;
  return {
    ...others,
    ...(PATH !== undefined && { PATH: PATH.split(delimiter).map(absolute).join(delimiter) }),
    ...(folder.trim() !== '' && { CLAUDE_CONFIG_DIR: requireAbsolute(expand(folder, others.HOME ?? homedir())) }),
  };
}

/** An empty entry means the current directory, which is not searched for executables. */
const absolute = (folder: string): string => (folder === '' ? '' : resolve(folder));

const expand = (path: string, home: string): string =>
  path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;

function requireAbsolute(path: string): string {
  if (isAbsolute(path)) return path;
  throw new Error('CLAUDE_CONFIG_DIR must be an absolute path, or begin with ~/');
}
