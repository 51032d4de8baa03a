/** How texts and queries are cut into words: both in the same way, so that what is typed is found. */

export interface Token {
  /** As it is compared: without case, accents and other forms of the same character. */
  text: string;
  /** Its place in the text, in UTF-16 units. */
  from: number;
  to: number;
  /** On the first part of an identifier with several: the identifier as one word, and where it ends. */
  whole?: { text: string; to: number };
}

/** Runs of letters and digits; a picture is a word of its own. */
const RUNS = /[\p{L}\p{N}\p{M}_]+|\p{Extended_Pictographic}/gu;

/** The same without the tables of Unicode, which take most of the time. */
const ASCII_RUNS = /[A-Za-z0-9_]+/g;
/** One part, as most words are. */
const PLAIN = /^[A-Z]?[a-z0-9]+$/;

/** Scripts that write no spaces between words, or whose words are found by their parts: each character is a word. */
const UNSPACED =
  '\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Hangul}\\p{scx=Bopomofo}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}';
const REST = `(?:(?![${UNSPACED}\\p{Lu}_])[\\p{L}\\p{N}\\p{M}])`;

/** `parseHTTPUrl2` is `parse`, `HTTP`, `Url2`. */
const PARTS = new RegExp(
  `[${UNSPACED}]\\p{M}*|\\p{Lu}+(?=\\p{Lu}\\p{M}*\\p{Ll})|\\p{Lu}+${REST}*|${REST}+|\\p{Extended_Pictographic}`,
  'gu',
);
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'u');
const IS_ASCII = /^[\0-\x7f]*$/;
/** Accents of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic ones. */
const ACCENTS =
  /[\u0300-\u036f]|[\u0591-\u05bd]|[\u05bf-\u05c7]|[\u064b-\u065f]|\u0670|[\u1ab0-\u1aff]|[\u1dc0-\u1dff]|[\u20d0-\u20ff]|[\ufe20-\ufe2f]/gu;
const NO_WORD = /[^\p{L}\p{N}\p{M}\p{Extended_Pictographic}]/gu;
/** Longer words are compared by their beginnings. */
const MAX_UNITS = 128;

/** The words of a text in order. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const runs = IS_ASCII.test(text) ? ASCII_RUNS : RUNS;
  for (const { 0: run, index } of text.matchAll(runs)) {
    if (PLAIN.test(run)) tokens.push({ text: fold(run), from: index, to: index + run.length });
    else addRun(tokens, run, index);
  }
  return tokens;
}

function addRun(tokens: Token[], run: string, at: number): void {
  const first = tokens.length;
  let isPlain = true;
  for (const { 0: part, index } of run.matchAll(PARTS)) {
    const text = fold(part);
    if (text === '') continue;
    isPlain &&= !isUnspaced(part);
    tokens.push({ text, from: at + index, to: at + index + part.length });
  }
  const head = tokens[first];
  if (!isPlain || !head || tokens.length - first < 2) return;
  const parts = tokens.slice(first).map(({ text }) => text);
  head.whole = { text: parts.join('').slice(0, MAX_UNITS), to: at + run.length };
}

/** Whether a character of this script is a word of its own. */
export const isUnspaced = (text: string): boolean => IS_UNSPACED.test(text);

function fold(part: string): string {
  const cut = part.slice(0, MAX_UNITS);
  if (IS_ASCII.test(cut)) return cut.toLowerCase();
  const bare = cut.normalize('NFKD').replaceAll(ACCENTS, '').normalize('NFC');
  // By way of capitals, which makes `ß` the same as `ss`, and all forms of sigma one.
  return bare.toUpperCase().toLowerCase().replaceAll('ς', 'σ').replaceAll(NO_WORD, '');
}
