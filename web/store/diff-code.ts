/** The code in a unified diff, for its colours. Pure. */
import { type CodeLanguage, languageOfFile } from './code-language.js';
import { patchLines } from './patch-lines.js';

/** Lines of one side of a hunk, which are code together. */
export interface DiffCode {
  language: CodeLanguage;
  code: string;
  /** Where they are in the diff; undefined for a line that the other side colours. */
  lines: readonly (number | undefined)[];
}

/** UTF-16 units of a whole diff: a longer one stays plain. */
const MAX_LENGTH = 40_000;

interface Hunk {
  path: string;
  lines: { at: number; text: string }[];
}

/** `path`: where the diff does not name its file itself. Without the head of a hunk, all of it is of that file. */
export function codeOfDiff(patch: string, path: string): readonly DiffCode[] {
  if (patch.length > MAX_LENGTH) return [];
  return hunksOf(patch, path)
    .flatMap((hunk) => [sideOf(hunk, '+'), sideOf(hunk, '-')])
    .filter((one) => one !== undefined);
}

function hunksOf(patch: string, path: string): readonly Hunk[] {
  const lines = patchLines(patch, path);
  if (lines.every(({ place }) => place === undefined))
    return [{ path, lines: lines.map(({ text }, at) => ({ at, text })) }];
  const hunks: Hunk[] = [];
  let isWithin = false;
  for (const [at, { text, place }] of lines.entries()) {
    const isBegin = place !== undefined && !isWithin;
    // A word about the end of the file is no end of the hunk.
    isWithin = place !== undefined || (isWithin && text.startsWith('\\'));
    if (isBegin) hunks.push({ path: place.slice(0, place.lastIndexOf(':')), lines: [] });
    if (place !== undefined) hunks.at(-1)?.lines.push({ at, text });
  }
  return hunks;
}

/** The file after the change has the lines that stay; that before it is of use only for what is removed. */
function sideOf({ path, lines }: Hunk, sign: '+' | '-'): DiffCode | undefined {
  if (!lines.some(({ text }) => text.startsWith(sign) || (sign === '+' && text.startsWith(' ')))) return undefined;
  const other = sign === '+' ? '-' : '+';
  const own = lines.filter(({ text }) => !text.startsWith(other));
  const code = own.map(({ text }) => text.slice(1)).join('\n');
  const language = languageOfFile(path, code);
  if (language === undefined) return undefined;
  return { language, code, lines: own.map(({ at, text }) => (sign === '+' || text.startsWith('-') ? at : undefined)) };
}
