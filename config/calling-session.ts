/** The session of the daemon in whose CLI this program runs; undefined elsewhere. */
export const callingSession = (environment: NodeJS.ProcessEnv = process.env): string | undefined =>
  environment.CLAUDE_COMPANION_SESSION || undefined;
