import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Commands for a person to type, for one home. */
export interface CommandHints {
  /** A command of the terminal program, such as `pair`. */
  companion(command: string): string;
  /** The command that starts the daemon. */
  readonly start: string;
}

/** The homes of the `npm start` daemon and of the demo. */
const DEFAULT_HOME = '.claude-companion';
export const DEMO_HOME = '.claude-companion-demo';

/** The homes of daemons started without `COMPANION_HOME`, below a person's home directory. */
export const companionHomes = (folder: string): string[] => [DEFAULT_HOME, DEMO_HOME].map((name) => join(folder, name));

/** npm's name for the script that runs the terminal program. */
const NPM_SCRIPT = 'npm run companion --';
const PROGRAM = 'claude-companion';

/** `home`: the home to address. `linked`: the program was started by its own name, not by npm. */
export function commandHints(home: string, { linked = false }: { linked?: boolean } = {}): CommandHints {
  const isDemo = home === join(homedir(), DEMO_HOME);
  const prefix = home === join(homedir(), DEFAULT_HOME) ? '' : `COMPANION_HOME=${shellPath(home)} `;
  return {
    companion: (command) => `${prefix}${linked ? PROGRAM : NPM_SCRIPT} ${command}`,
    start: isDemo ? 'npm start -- --demo' : `${prefix}npm start`,
  };
}

/** The home of the demo, if it exists and is not `home`. */
export function otherDemoHome(home: string): string | undefined {
  const demo = join(homedir(), DEMO_HOME);
  return demo !== home && existsSync(demo) ? demo : undefined;
}

/** Whether the terminal program was started by its own name. */
export const isLinked = (environment: NodeJS.ProcessEnv = process.env): boolean =>
  environment.npm_lifecycle_event !== 'companion';

/** A path in shell notation, with `~` for the home directory. */
function shellPath(path: string): string {
  const below = `${homedir()}/`;
  const isPlain = /^[\w./@%+=:,-]+$/.test(path);
  if (!isPlain) return `'${path.replaceAll("'", "'\\''")}'`;
  return path.startsWith(below) ? `~/${path.slice(below.length)}` : path;
}
