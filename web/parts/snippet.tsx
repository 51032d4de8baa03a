import type { ReactNode } from 'react';
import type { SearchResult } from '../../protocol/search.js';

/** The words that were found stand out. */
export function marked({ text, marks }: SearchResult['snippet']): ReactNode[] {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const { from, to } of marks) {
    parts.push(text.slice(at, from), <mark key={from}>{text.slice(from, to)}</mark>);
    at = to;
  }
  return [...parts, text.slice(at)];
}
