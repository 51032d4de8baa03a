/**
 * Files that programs obey by themselves: the CLI, git, a shell, an editor or a package manager reads them unasked, and
 * they can make it run something, take permissions or follow instructions. Clients need the scope `approve` to write
 * them. This is the only list; SECURITY.md shows it, and a test compares it with what the CLI protects.
 *
 * Files that run only on request are not included: sources, tests, `package.json`, a Makefile. Running those is a
 * command, for which the CLI asks.
 */
import { readdir } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { ifSeen } from './file-errors.js';
import { foldedName } from './folded-name.js';
import { locate } from './locate.js';

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean));

/** Folders whose whole content counts, at any depth. */
export const OBEYED_FOLDERS = words(`
  .claude .claude-plugin .agents
  .git .githooks .husky .hg .jj .svn
  .vscode .idea .zed .devcontainer
  .cargo .yarn .mvn
  .config launchagents launchdaemons
`);

/** Files, in any folder. */
export const OBEYED_FILES = words(`
  claude.md claude.local.md agents.md agents.local.md .mcp.json .lsp.json .claude.json skill.md
  .gitconfig .gitmodules .gitattributes head
  .envrc .bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .inputrc .zshrc .zshenv .zprofile .zlogin
  .zlogout .xprofile .xinitrc .xsessionrc .ripgreprc .tool-versions .mise.toml mise.toml
  .npmrc .yarnrc .yarnrc.yml .pnp.cjs .pnp.loader.mjs .pnp.js .pnp.data.json .pnpmfile.cjs bunfig.toml .bunfig.toml
  .bazelrc .bazelversion .bazeliskrc gradle-wrapper.properties maven-wrapper.properties pip.conf .pypirc
  .pre-commit-config.yaml lefthook.yml .lefthook.yml lefthook.yaml .lefthook.yaml
  .devcontainer.json pyrightconfig.json .exrc .vimrc .nvimrc .nvim.lua .gdbinit .lldbinit
`);

/** Contains whole checkouts of the project, made by the CLI. */
const WORKTREES = ['.claude', 'worktrees'];

/** Aliases of a file on Windows and its file systems: short names, and streams. */
const SHORT_NAME = /^[^.]{1,6}~\d{1,6}(\.[^.]{0,3})?$/;
const streamless = (name: string): string => name.split(':', 1)[0] ?? '';

const plain = (name: string): string => foldedName(streamless(foldedName(name)));
const isShortened = (name: string): boolean => SHORT_NAME.test(name);

/** Whether any part of the path is a folder of obeyed files. */
function leadsThrough(names: readonly string[]): boolean {
  return names.some((name, at) => {
    const isWorktree = name === WORKTREES[0] && names[at + 1] === WORKTREES[1] && names.length > at + 3;
    return (OBEYED_FOLDERS.has(name) && !isWorktree) || isShortened(name);
  });
}

const namesOf = (path: string): string[] => path.split(sep).filter(Boolean).map(plain);

/** Whether the folder at this canonical path contains obeyed files. */
export const isObeyedFolder = (path: string): boolean => leadsThrough([...namesOf(path), 'an entry of it']);

/** Whether the file or folder at this canonical path is obeyed. */
export function isObeyed(path: string): boolean {
  const names = namesOf(path);
  return leadsThrough(names) || OBEYED_FILES.has(names.at(-1) ?? '');
}

/**
 * Whether a link with an obeyed name leads to this canonical path or to a folder above it, even if the target does not
 * exist yet: the target is then obeyed under that name. Searches all folders above; skips those inaccessible to the
 * daemon. Rejects when a folder is unreadable for another reason, since its links are unknown.
 */
export async function isObeyedByLink(path: string): Promise<boolean> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    for (const target of await obeyedLinksIn(folder)) {
      if (path === target || path.startsWith(target + sep)) return true;
    }
    if (folder === dirname(folder)) return false;
  }
}

async function obeyedLinksIn(folder: string): Promise<string[]> {
  const entries = (await ifSeen(readdir(folder, { withFileTypes: true }))) ?? [];
  const links = entries.filter((entry) => entry.isSymbolicLink() && isObeyed(entry.name));
  return Promise.all(links.map(async ({ name }) => (await locate(join(folder, name))).path));
}
