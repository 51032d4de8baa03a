import type { FileChange } from '../../ports/claude.js';
import type { CliFileEdit } from './cli-lines.js';

/**
 * What `Edit` or `Write` has changed, from the result that the CLI writes beside the text for Claude (2.1.197 to
 * 2.1.332). Undefined for other tools, and when nothing has changed.
 */
export function fileChangeOf({ filePath: path, structuredPatch, type, content }: CliFileEdit): FileChange | undefined {
  if (path === undefined || structuredPatch === undefined) return undefined;
  if (type === 'create') return createdFile(path, content ?? '');
  const lines = structuredPatch.flatMap((hunk) => hunk.lines);
  if (lines.length === 0) return undefined;
  const hunks = structuredPatch.map(
    ({ oldStart, oldLines, newStart, newLines, lines: shown }) =>
      `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@\n${shown.join('\n')}\n`,
  );
  return { path, additions: countOf(lines, '+'), deletions: countOf(lines, '-'), hunks: hunks.join('') };
}

/** The CLI gives no patch of a new file. */
function createdFile(path: string, content: string): FileChange {
  if (content === '') return { path, additions: 0, deletions: 0, hunks: '', isNew: true };
  const isEnded = content.endsWith('\n');
  const lines = (isEnded ? content.slice(0, -1) : content).split('\n');
  const end = isEnded ? '' : '\\ No newline at end of file\n';
  const hunks = `@@ -0,0 +1,${lines.length} @@\n${lines.map((line) => `+${line}\n`).join('')}${end}`;
  return { path, additions: lines.length, deletions: 0, hunks, isNew: true };
}

const countOf = (lines: readonly string[], sign: string): number =>
  lines.filter((line) => line.startsWith(sign)).length;
