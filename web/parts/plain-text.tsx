import { createElement, memo } from 'react';
import { partsOf } from '../store/text-parts.js';

/** A text of any length as it is. */
export function PlainText({ text }: { text: string }) {
  const parts = partsOf(text).map(partOf);
  return createElement('pre', { className: 'plain', dir: 'auto', tabIndex: 0 }, ...parts);
}

const partOf = (text: string) => <Part text={text} />;

const Part = memo(({ text }: { text: string }) => <span>{text}</span>);
