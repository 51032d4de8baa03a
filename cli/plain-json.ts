import { plainText } from '../protocol/plain-text.js';

/** JSON in one line, in which everything that a terminal could obey is escaped. */
export const plainJson = (value: unknown): string => {
  const text = JSON.stringify(value);
  return plainText(text) === text ? text : Array.from(text, escaped).join('');
};

/** Half characters are escaped by `JSON.stringify` itself. */
function escaped(character: string): string {
  if (plainText(character) === character) return character;
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
