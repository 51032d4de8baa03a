/** The lines of a diff in their colours. A script of its own, as the colours are. */
import { createElement, Fragment, type ReactNode } from 'react';
import { codeOfDiff } from '../store/diff-code.js';
import { colouredLines } from './colours.js';

/** By their places in the diff. A line without one stays plain. */
export async function diffColours(patch: string, path: string): Promise<readonly ReactNode[]> {
  const signs = patch.split('\n').map((line) => line.slice(0, 1));
  const pieces: ReactNode[] = [];
  for (const { code, language, lines } of codeOfDiff(patch, path)) {
    const coloured = await colouredLines(code, language);
    for (const [index, at] of lines.entries())
      if (at !== undefined) pieces[at] = createElement(Fragment, null, signs[at], coloured[index]);
  }
  return pieces;
}
