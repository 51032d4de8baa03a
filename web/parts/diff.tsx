import { createElement } from 'react';

/** More lines than this are only counted. */
export const MAX_LINES = 2000;

const KINDS: Record<string, string> = { '+': 'added', '-': 'removed', '@': 'hunk' };

/** By the sign at the beginning of a line. */
export const kindOf = (line: string): string => KINDS[line[0] ?? ''] ?? 'same';

/** The lines of a unified diff. */
export function Diff({ patch }: { patch: string }) {
  const lines = patch.split('\n');
  const shown = lines.slice(0, MAX_LINES).map((line) => lineOf(line));
  const rest = lines.length > MAX_LINES ? `… ${lines.length - MAX_LINES}` : undefined;
  return createElement('pre', { className: 'diff', dir: 'ltr', tabIndex: 0 }, ...shown, rest);
}

const lineOf = (line: string) => (
  <span className={kindOf(line)}>
    {line}
    {'\n'}
  </span>
);
