/** Comments on parts of a text, with the part that each is about. Pure. */

/** So many UTF-16 units of a part are repeated in a comment on it. */
const MAX_QUOTED = 400;
/** And in its name. */
const MAX_NAMED = 60;

/** A comment below what it is about, in Markdown. */
export const noteOf = (part: string, words: string): string =>
  `${cut(part, MAX_QUOTED).replace(/^/gm, '> ')}\n\n${words.trim()}`;

/** The first line of a part without its marks, for a name. */
export const shortOf = (part: string): string =>
  cut((part.split('\n')[0] ?? '').replace(/^#+ |[*`]+/g, ''), MAX_NAMED).trim();

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
