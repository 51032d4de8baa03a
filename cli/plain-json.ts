import { plainText } from '../protocol/plain-text.js';

/** JSON on one line with all terminal control characters escaped. */
export const plainJson = (value: unknown): string => {
  const text = JSON.stringify(value);
  return plainText(text) === text ? text : Array.from(text, escaped).join('');
};

/** `JSON.stringify` itself escapes lone surrogates. */
function escaped(character: string): string {
  if (plainText(character) === character) return character;
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
