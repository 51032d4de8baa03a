/**
 * Files that programs obey by themselves: the CLI, git, a shell, an editor or a package manager reads them unasked, and
 * they can make it run something, take permissions or follow instructions. Clients need the scope `approve` to write
 * them. This is the only list; SECURITY.md shows it, and a test compares it with what the CLI protects.
 *
 * Files that run only on request are not included: sources, tests, `package.json`, a Makefile. Running those is a
 * command, for which the CLI asks.
 */
import { lstat, readdir } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { keyOf } from './directory-handle.js';
import { ifSeen } from './file-errors.js';
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

/** Prefixes of names with secrets, in any letter case and anywhere. */
const PREFIXES = ['.env', '.credentials.json', '.claude.json'];
const FOLDER = '.ssh';

/** Whether a name indicates secrets: `.env*`, `.ssh`, credentials and settings of the CLI. */
export function isSensitiveName(name: string): boolean {
  const plain = foldedName(name);
  return plain === FOLDER || PREFIXES.some((prefix) => plain.startsWith(prefix));
}

export interface People {
  /** The home of the person who runs the daemon. */
  personHome: string;
  /** The CLI's data folder. */
  claudeFolder: string;
  /** Key files from the daemon's own settings. */
  keyFiles: readonly string[];
}

/** Places with secrets, whatever name leads to them. */
export const sensitivePlaces = ({ personHome, claudeFolder, keyFiles }: People): string[] => [
  ...keyFiles,
  join(personHome, '.ssh'),
  join(personHome, '.claude.json'),
  join(personHome, '.claude', '.credentials.json'),
  join(claudeFolder, '.claude.json'),
  join(claudeFolder, '.credentials.json'),
];

/**
 * Device and inode of all files at and below these places, except for one below them: a hard link is the same file under
 * another name.
 */
export async function keysWithin(places: readonly string[], except?: string): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const place of places) await addKeys(place, { keys, except });
  return keys;
}

interface Keys {
  keys: Set<string>;
  except: string | undefined;
}

/**
 * Does not follow links, like Node's own recursive `readdir` (20.20). Rejects on errors other than a missing or
 * inaccessible place: without the keys of its files, a hard link to one would be served.
 */
async function addKeys(place: string, found: Keys): Promise<void> {
  if (place === found.except) return;
  const stats = await ifSeen(lstat(place, { bigint: true }));
  if (!stats) return;
  found.keys.add(keyOf(stats));
  if (!stats.isDirectory()) return;
  for (const name of (await ifSeen(readdir(place))) ?? []) await addKeys(join(place, name), found);
}

/** Characters that HFS+ ignores when it compares names, and all other invisible ones. */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]|\p{Default_Ignorable_Code_Point}/gu;

/** Folds a name like file systems that ignore case, normalise, or drop what Windows drops at the end. */
const foldedName = (name: string): string =>
  name
    .replaceAll(IGNORED, '')
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replace(/[. ]+$/, '');
