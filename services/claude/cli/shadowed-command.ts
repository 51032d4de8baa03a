/**
 * Whether a person's or a project's definition replaces a built-in command of the CLI. One in `commands` or `skills`
 * does, by the name of its file or folder or by the `name` of a skill (2.1.197, 2.1.332), and it can run programs
 * before Claude reads anything. Definitions of MCP servers and of folders below the project have a prefix then.
 */
import { open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The folders with command definitions, below `.claude` or the configuration folder. */
const TREES = ['commands', 'skills', 'workflows'];
/** Deeper or larger trees are not searched: they count as containing a definition. */
const MAX_DEPTH = 6;
const MAX_ENTRIES = 5000;
/** The size limit for a definition's head. */
const MAX_HEAD_BYTES = 16 * 1024;

export interface CommandPlace {
  /** The CLI's working directory, canonical. */
  directory: string;
  /** The additional directories of the CLI. */
  addDirectories: readonly string[];
  /** The folder of the CLI's data for its person. */
  configFolder: string;
}

/** Stricter than the CLI in doubtful cases: an unreadable or unusually written file counts as a definition. */
export async function isShadowed(name: string, place: CommandPlace): Promise<boolean> {
  const look: Look = { name, entries: 0 };
  for (const folder of foldersOf(place)) {
    for (const tree of TREES) {
      if (await definesIn(look, join(folder, tree), 0)) return true;
    }
  }
  return false;
}

function foldersOf({ directory, addDirectories, configFolder }: CommandPlace): string[] {
  const folders = [configFolder];
  for (const begin of [directory, ...addDirectories]) {
    for (let at = begin; ; at = dirname(at)) {
      folders.push(join(at, '.claude'));
      if (at === dirname(at)) break;
    }
  }
  return [...new Set(folders)];
}

interface Look {
  name: string;
  entries: number;
}

async function definesIn(look: Look, folder: string, depth: number): Promise<boolean> {
  const entries = await namesIn(folder);
  look.entries += entries?.length ?? 0;
  if (!entries || depth > MAX_DEPTH || look.entries > MAX_ENTRIES) return true;
  for (const entry of entries) {
    const path = join(folder, entry);
    if (stemOf(entry) === look.name) return true;
    if (/\.md$/i.test(entry) ? await isNamedInside(path, look.name) : await definesIn(look, path, depth + 1)) {
      return true;
    }
  }
  return false;
}

const NO_FOLDER: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

/** Empty where there is no folder; undefined where it cannot be read. Links are followed, as the CLI does. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    return NO_FOLDER.has((error as NodeJS.ErrnoException).code ?? '') ? [] : undefined;
  }
}

/** File systems can compare names case-insensitively and normalised. */
const folded = (name: string): string => name.normalize('NFKC').toLowerCase();
const stemOf = (entry: string): string => folded(entry).replace(/\.[a-z]+$/, '');

async function isNamedInside(path: string, name: string): Promise<boolean> {
  // An unreadable file may be such a definition, whatever the reason.
  const text = await headOf(path).catch(() => undefined);
  return text === undefined || mayNameItself(text, name);
}

async function headOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_HEAD_BYTES), 0, MAX_HEAD_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

const FENCE = /^---\s*$/m;
/** Lines that set no name in any reading of YAML: other plain keys, their continuation lines, comments. */
const OTHER_LINE = /^(?:[\s-].*|(?!name\b)[a-z][\w-]*\s*:.*)$/i;
const PLAIN_NAME = /^name\s*:\s*["']?([\w .:/-]+?)["']?\s*$/i;

/** YAML 1.1 knows more line breaks than Markdown. */
const LINE_BREAK = /\r\n?|[\n\u0085\u2028\u2029]/;

/** Whether the YAML at the head of a definition gives it this name, or could. */
export function mayNameItself(text: string, name: string): boolean {
  const begun = text.replace(/^\uFEFF/, '').trimStart();
  if (!begun.startsWith('---')) return false;
  const [, head, ...rest] = begun.split(FENCE);
  if (head === undefined || rest.length === 0) return true;
  const lines = head.split(LINE_BREAK).filter((line) => !/^\s*(#|$)/.test(line));
  // All keys can be indented alike.
  if (/^\s/.test(lines[0] ?? '')) return true;
  return lines
    .filter((line) => !OTHER_LINE.test(line))
    .some((line) => folded(PLAIN_NAME.exec(line)?.[1] ?? name) === name);
}
