const SECRET_PREFIXES = ['APNS_', 'VAPID_', 'NTFY_', 'COMPANION_', 'LIMIT_', 'npm_'];
/** A daemon that was started from inside a Claude session must not make its children believe that they are in it. */
const OUTER_SESSION = ['CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'CLAUDE_COMPANION_SESSION', 'CLAUDE_COMPANION_CHILD'];

/**
 * The environment of a CLI child: the daemon's own without the daemon's settings. The CLI is asked to say when its
 * state changes, and not to replace itself while it runs.
 */
export function childEnvironment(
  environment: NodeJS.ProcessEnv,
  settingNames: readonly string[],
): Readonly<Record<string, string>> {
  const own = new Set([...settingNames, ...OUTER_SESSION]);
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !own.has(entry[0]) && !SECRET_PREFIXES.some((prefix) => entry[0].startsWith(prefix)),
  );
  return Object.freeze({ ...Object.fromEntries(kept), DISABLE_AUTOUPDATER: '1' });
}
