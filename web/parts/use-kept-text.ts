import { useState } from 'react';
import { keepText } from './kept-text.js';

/** A text that outlives the page, where the browser has room for it. */
export function useKeptText(key: string): [string, (text: string) => void] {
  const [text, setText] = useState(() => localStorage.getItem(key) ?? '');
  const write = (next: string) => {
    setText(next);
    keepText(key, next);
  };
  return [text, write];
}
