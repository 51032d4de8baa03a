import { createElement, type ReactNode, useMemo } from 'react';
import { visibleText } from '../../protocol/plain-text.js';
import { useWhenSeen } from './use-when-seen.js';

/** More lines than this are only counted. */
export const MAX_LINES = 2000;

const KINDS: Record<string, string> = { '+': 'added', '-': 'removed', '@': 'hunk' };

/** By the sign at the beginning of a line. */
export const kindOf = (line: string): string => KINDS[line[0] ?? ''] ?? 'same';

export interface DiffProps {
  patch: string;
  /** Where the diff does not name its file itself. */
  path?: string;
}

/** Of the lines of a diff, once they are seen. */
export const useDiffColours = <Element extends HTMLElement>({ patch, path = '' }: DiffProps) =>
  useWhenSeen<Element, readonly ReactNode[]>(
    async () => (await import('./diff-colours.js')).diffColours(patch, path),
    `${path} ${patch}`,
  );

/** The lines of a unified diff. Nothing in them is hidden. */
export function Diff({ patch: raw, path = '' }: DiffProps) {
  const patch = useMemo(() => visibleText(raw), [raw]);
  const { place, value: pieces } = useDiffColours<HTMLPreElement>({ patch, path });
  const lines = patch.split('\n');
  const shown = lines.slice(0, MAX_LINES).map((line, index) => lineOf(line, pieces?.[index]));
  const rest = lines.length > MAX_LINES ? `… ${lines.length - MAX_LINES}` : undefined;
  return createElement('pre', { ref: place, className: 'diff', dir: 'ltr', tabIndex: 0 }, ...shown, rest);
}

const lineOf = (line: string, piece: ReactNode = line) => (
  <span className={kindOf(line)}>
    {piece}
    {'\n'}
  </span>
);
