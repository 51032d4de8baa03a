/** Files of a session's directory: their addresses in the console, their folders and their lines. Pure. */
import type { FileEntry } from '../../protocol/files.js';
import type { PatchLine } from './patch-lines.js';

export interface Crumb {
  name: string;
  path: string;
}

/** Where a file, or a line of it, is in the console. The path of a folder ends with a slash; that of the directory itself is empty. */
export function filesHref(sessionId: string, path = '', line?: number): string {
  const file = path === '' ? `/files/${sessionId}` : `/files/${sessionId}/${encodeURIComponent(path)}`;
  return line === undefined ? file : `${file}/L${line}`;
}

/** The line that the last part of an address names. */
export function lineOf(part: string | undefined): number | undefined {
  const line = /^L(\d{1,9})$/.exec(part ?? '')?.[1];
  return line === undefined ? undefined : Number(line);
}

export const isFolder = (path: string): boolean => path === '' || path.endsWith('/');

/** As requests name it. */
export const requestPath = (path: string): string => path.replace(/\/$/, '');

/** The folders above a path and itself, from the outermost on. */
export function crumbsOf(path: string): readonly Crumb[] {
  const names = requestPath(path)
    .split('/')
    .filter((name) => name !== '');
  return names.map((name, index) => {
    const isLast = index === names.length - 1;
    const upTo = names.slice(0, index + 1).join('/');
    return { name, path: isLast && !isFolder(path) ? upTo : `${upTo}/` };
  });
}

/** Folders first, each by name. */
export const inOrder = (entries: readonly FileEntry[]): readonly FileEntry[] =>
  [...entries].sort(
    (a, b) => Number(b.type === 'directory') - Number(a.type === 'directory') || a.name.localeCompare(b.name),
  );

export const pathOf = ({ path, type }: FileEntry): string => (type === 'directory' ? `${path}/` : path);

/** Of one line, in UTF-16 units: a page shows no more of it. */
const MAX_LINE = 10_000;

const cut = (text: string): string => (text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text);

/** A line break at the end begins no line. */
export const fileLines = (content: string, path: string): readonly PatchLine[] =>
  content
    .replace(/\r?\n$/, '')
    .split('\n')
    .map((text, index) => ({ text: cut(text.replace(/\r$/, '')), place: `${path}:${index + 1}` }));

const SPECIAL = /[*?[\]{}\\!]/g;

/** The pattern for a list of what has the words in its name; undefined for no words. */
export function patternOf(words: string): string | undefined {
  const plain = words.trim().replaceAll(SPECIAL, '?');
  return plain === '' ? undefined : plain.includes('/') ? `**/*${plain}*` : `*${plain}*`;
}
