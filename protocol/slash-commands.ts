/** Which scope a prompt needs that the CLI takes for one of its commands. */
import type { Scope } from './access.js';

/**
 * Commands of the CLI that change nothing but the conversation, which `prompt` can do anyway, and those that only show
 * something. A test runs each with the CLI that the lock file names and compares settings, rules and mode; they were run
 * by hand with 2.1.332. `help`, `status`, `cost` and `stats` are not commands of every version: the CLI says so and does
 * nothing. Everything that is not here needs `approve`: what a newer CLI brings, and the commands, skills and plugins of
 * a person or a project, which may name tools that they use unasked and run programs before Claude reads them. The same
 * holds for these names where such a definition stands in their place: `services/claude/shadowed-command.ts`.
 */
export const HARMLESS_COMMANDS: ReadonlySet<string> = new Set([
  'clear',
  'new',
  'reset',
  'compact',
  'context',
  'usage',
  'cost',
  'stats',
  'recap',
  'help',
  'status',
]);

/** Commands whose effect outlives the session: settings, rules, servers, plugins, the login, what every session loads. */
const LASTING_COMMANDS: ReadonlySet<string> = new Set(
  [
    'config settings permissions allowed-tools fewer-permission-prompts update-config hooks auto-mode-setup',
    'privacy-settings sandbox sandbox-toggle trust keybindings keybindings-help mcp plugin plugins marketplace',
    'reload-plugins reload-skills agents memory ide chrome login logout setup-token setup-github install-github-app',
    'install-slack-app upgrade update model effort fast autocompact output-style statusline theme vim editor',
    'terminal-setup remote-control remote-env remote-setup web-setup migrate-installer restart doctor checkup',
  ].flatMap((line) => line.split(' ')),
);

/** Blanks, control and format characters, halves of pairs and marks: what some system drops ahead of a text. */
const DROPPED_AHEAD = /^[\s\p{Z}\p{C}\p{M}]+/u;

/** The name behind the slash that a text begins with, as it stands there; undefined for a text that is no command. */
function commandName(text: string): string | undefined {
  const begun = text.replace(DROPPED_AHEAD, '');
  // The full-width slash is one for whoever normalises.
  if (!begun.slice(0, 1).normalize('NFKC').startsWith('/')) return undefined;
  return begun.slice(1).split(/[\s\p{Z}\p{C}]/u, 1)[0];
}

export interface CommandNeed {
  scope: Extract<Scope, 'prompt' | 'approve' | 'admin'>;
  /** As it may be shown: empty where it is no name of a command. */
  name: string;
}

/**
 * What sending this text as a prompt needs; undefined where it is no command. The CLI (2.1.197 to 2.1.332) takes a
 * message for a command when its first character is a slash and a command has the name behind it. This is stricter: what
 * only resembles a command counts as one, and a harmless one has exactly its name.
 */
export function needOfCommand(text: string): CommandNeed | undefined {
  const name = commandName(text);
  if (name === undefined) return undefined;
  const plain = name.normalize('NFKC').toLowerCase();
  const shown = /^[a-z0-9:_-]{1,64}$/.test(plain) ? plain : '';
  if (LASTING_COMMANDS.has(plain)) return { scope: 'admin', name: shown };
  return { scope: HARMLESS_COMMANDS.has(name) && text.startsWith('/') ? 'prompt' : 'approve', name: shown };
}
