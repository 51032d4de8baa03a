/** The scope needed by a prompt that the CLI treats as a command. */
import type { Scope } from './access.js';

/**
 * CLI commands that affect only the conversation, as `prompt` allows anyway, and those that only display something. A
 * test runs each with the CLI of the lock file and compares settings, rules and mode; they were run by hand with
 * 2.1.332. `help`, `status`, `cost` and `stats` do not exist in every version: the CLI then says so and does nothing.
 * Everything else needs `approve`: commands of a newer CLI, and the commands, skills and plugins of a person or a
 * project, which can name tools that they use without asking and run programs before Claude reads them. The same
 * applies to these names when such a definition shadows them: `services/claude/cli/shadowed-command.ts`.
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

/** Commands with effects beyond the session: settings, rules, servers, plugins, the login, globally loaded data. */
const LASTING_COMMANDS: ReadonlySet<string> = new Set(
  [
    'config settings permissions allowed-tools fewer-permission-prompts update-config hooks auto-mode-setup',
    'privacy-settings sandbox sandbox-toggle trust keybindings keybindings-help mcp plugin plugins marketplace',
    'reload-plugins reload-skills agents memory ide chrome login logout setup-token setup-github install-github-app',
    'install-slack-app upgrade update model effort fast autocompact output-style statusline theme vim editor',
    'terminal-setup remote-control remote-env remote-setup web-setup migrate-installer restart doctor checkup',
    'import advisor usage-credits extra-usage design-consent design-revoke',
  ].flatMap((line) => line.split(' ')),
);

/** White space, control and format characters, unpaired surrogates, marks: some system strips them from the start. */
const DROPPED_AHEAD = /^[\s\p{Z}\p{C}\p{M}]+/u;

/** The name after the text's leading slash, as written; undefined for a text that is not a command. */
function commandName(text: string): string | undefined {
  const begun = text.replace(DROPPED_AHEAD, '');
  // Unicode normalisation turns the full-width slash into a slash.
  if (!begun.slice(0, 1).normalize('NFKC').startsWith('/')) return undefined;
  return begun.slice(1).split(/[\s\p{Z}\p{C}]/u, 1)[0];
}

export interface CommandNeed {
  scope: Extract<Scope, 'prompt' | 'approve' | 'admin'>;
  /** A displayable form: empty when it is not a valid command name. */
  name: string;
}

/**
 * The scope needed to send this text as a prompt; undefined when it is not a command. The CLI (2.1.197 to 2.1.332)
 * treats a message as a command when its first character is a slash and a command name follows. This check is stricter:
 * anything resembling a command counts as one, and a harmless one must match its name exactly.
 */
export function needOfCommand(text: string): CommandNeed | undefined {
  const name = commandName(text);
  if (name === undefined) return undefined;
  const plain = name.normalize('NFKC').toLowerCase();
  const shown = /^[a-z0-9:_-]{1,64}$/.test(plain) ? plain : '';
  if (LASTING_COMMANDS.has(plain)) return { scope: 'admin', name: shown };
  return { scope: HARMLESS_COMMANDS.has(name) && text.startsWith('/') ? 'prompt' : 'approve', name: shown };
}
