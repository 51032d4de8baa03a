/** The rules of a `.gitignore`, matched in time proportional to rule times path. */
import { literal, matchesPath, type Part, partOf, type Segment } from '../globs.js';

/** Whether a path below the folder of the rules is ignored; undefined when no rule speaks of it. */
export type IgnoreRules = (names: readonly string[], isFolder: boolean) => boolean | undefined;

interface Rule {
  ignores: boolean;
  onlyFolders: boolean;
  accepts: (names: readonly string[]) => boolean;
}

/** Rules and characters beyond these have no effect. */
const MAX_RULES = 2000;
const MAX_LINE = 1000;

/** The last rule that matches decides. */
export function parseIgnoreRules(text: string): IgnoreRules {
  const lines = text.split('\n').slice(0, MAX_RULES);
  const rules = lines.flatMap((line) => parseRule(line) ?? []).reverse();
  return (names, isFolder) => {
    const last = rules.find((rule) => (isFolder || !rule.onlyFolders) && rule.accepts(names));
    return last?.ignores;
  };
}

/** Blanks at the end count only behind a backslash. */
const END = /(?<!\\)\s+$/;

function parseRule(line: string): Rule | undefined {
  if (line.length > MAX_LINE || line.startsWith('#')) return undefined;
  const text = line.replace(/\r$/, '').replace(END, '');
  const isNegated = text.startsWith('!');
  const pattern = isNegated ? text.slice(1) : text;
  const path = pattern.replace(/\/$/, '');
  if (path === '') return undefined;
  return { ignores: !isNegated, onlyFolders: path !== pattern, accepts: parsePath(path) };
}

/** A pattern with a slash in its middle or at its beginning is a path, every other one a name at any depth. */
function parsePath(path: string): (names: readonly string[]) => boolean {
  if (path.includes('/')) {
    const segments = path.replace(/^\//, '').split('/').map(parseSegment);
    // What is in a folder is not the folder itself.
    if (segments.at(-1) === 'any depth') segments.push([{ kind: 'star' }]);
    return (names) => matchesPath(segments, names);
  }
  if (!/[*?[\\]/.test(path)) return (names) => names.at(-1) === path;
  const ending = path.slice(1);
  if (path.startsWith('*') && !/[*?[\\]/.test(ending)) return (names) => names.at(-1)?.endsWith(ending) ?? false;
  const segment = parseSegment(path);
  return (names) => matchesPath([segment], names.slice(-1));
}

function parseSegment(text: string): Segment {
  if (text === '**') return 'any depth';
  const parts: Part[] = [];
  for (const [piece] of text.matchAll(/\\.|\*+|\?|\[[!^]?\]?[^\]]*\]|./gsu)) {
    if (piece.startsWith('*')) parts.push({ kind: 'star' });
    else if (piece.startsWith('\\') && piece.length > 1) parts.push(literal(piece.slice(1)));
    else parts.push(partOf(piece.replace(/^\[\^/, '[!')));
  }
  return parts;
}
