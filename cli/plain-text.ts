/** Colours and the like: they go without a trace. */
const STYLES = /(?![\n\t])\p{Cc}\[[0-9;:]*m/gu;
/** Everything else that a terminal could obey, and marks that change the order in which text is read. */
const CONTROLS = /(?![\n\t])\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text that does nothing to a terminal but stand there. Line ends and tabs stay. What is between control characters
 * stays as well: a text must not be able to hide a part of itself from whoever is asked to allow it.
 */
export const plainText = (text: string): string => text.replace(STYLES, '').replace(CONTROLS, '');

/** The same in one line of at most `max` characters. */
export function plainLine(text: string, max: number): string {
  const line = plainText(text).replace(/\s+/gu, ' ').trim();
  const characters = Array.from(line);
  return characters.length > max ? `${characters.slice(0, Math.max(0, max - 1)).join('')}…` : line;
}
