/**
 * Why the CLI would not start with `bypassPermissions` allowed; undefined where it would. As root it exits at once,
 * unless its environment declares a sandbox (2.1.197 to 2.1.332).
 */
export function cliBypassProblem(environment: NodeJS.ProcessEnv, uid = process.getuid?.()): string | undefined {
  if (uid !== 0 || environment.IS_SANDBOX === '1' || environment.CLAUDE_CODE_BUBBLEWRAP === '1') return undefined;
  return 'the CLI refuses bypassPermissions as root: run the daemon as another user, or set IS_SANDBOX=1 in a sandbox';
}
