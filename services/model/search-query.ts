/** The language of a search: words that must all be there, "phrases", prefixes*, and -exclusions. */
import { invalid } from '../../protocol/error-codes.js';
import type { SearchTerms, Span, Term } from '../ports/search.js';
import { isUnspaced, type Token, tokensOf } from './search-words.js';

const PIECES = /(?<minus>-(?=[^\s-]))?(?:"(?<phrase>[^"]*)"?|(?<word>[^\s"]+))(?<star>\*)?/gu;
const MAX_TERMS = 32;
const MAX_PARTS = 200;
const MIN_PREFIX = 2;

/** Throws `INVALID_REQUEST` for `q` when nothing is to be looked for, or too much. */
export function parseQuery(q: string): SearchTerms {
  const terms: SearchTerms = { all: [], none: [] };
  for (const { groups = {} } of q.matchAll(PIECES)) {
    const term = termOf(groups);
    if (term) terms[groups.minus === undefined ? 'all' : 'none'].push(term);
  }
  if (terms.all.length === 0) throw invalid('q', 'must have a word to look for, besides operators and exclusions');
  const both = [...terms.all, ...terms.none];
  const parts = both.reduce((sum, term) => sum + term.parts.length, 0);
  if (both.length > MAX_TERMS || parts > MAX_PARTS) {
    throw invalid('q', `must be at most ${MAX_TERMS} words and phrases, of ${MAX_PARTS} words together`);
  }
  return terms;
}

function termOf({ phrase, word = '', star }: Record<string, string | undefined>): Term | undefined {
  const tokens = tokensOf(phrase ?? word);
  const [first] = tokens;
  const last = tokens.at(-1);
  if (!first || !last) return undefined;
  const isPrefix = star !== undefined || (phrase === undefined && word.endsWith('*'));
  const whole = wholeOf(tokens);
  const parts = isPrefix && isShort(last.text) ? [longerOf(whole)] : tokens.map(({ text }) => text);
  return { parts, ...(whole !== undefined && { whole }), isPrefix };
}

const isShort = (text: string): boolean => text.length < MIN_PREFIX && !isUnspaced(text);

/** The beginning of an identifier, when that of its last part is too short to be looked for. */
function longerOf(whole: string | undefined): string {
  if (whole !== undefined && !isShort(whole)) return whole;
  throw invalid('q', `must have at least ${MIN_PREFIX} characters of a word before a *`);
}

/** Undefined where it is more than one word. */
function wholeOf(tokens: readonly Token[]): string | undefined {
  const [first] = tokens;
  if (tokens.length === 1) return first?.text;
  return first?.whole?.to === tokens.at(-1)?.to ? first?.whole?.text : undefined;
}

/** Where the term is in a text, in order. */
export function findTerm(tokens: readonly Token[], term: Term): Span[] {
  const found: Span[] = [];
  for (const [index, token] of tokens.entries()) {
    const to = endOfParts(tokens, index, term) ?? endOfWhole(token, term);
    if (to !== undefined) found.push({ from: token.from, to });
  }
  return found;
}

function endOfParts(tokens: readonly Token[], index: number, { parts, isPrefix }: Term): number | undefined {
  for (const [offset, part] of parts.entries()) {
    const isOpen = isPrefix && offset === parts.length - 1;
    if (!isSame(tokens[index + offset]?.text, part, isOpen)) return undefined;
  }
  return tokens[index + parts.length - 1]?.to;
}

function endOfWhole({ text, to, whole }: Token, term: Term): number | undefined {
  if (term.whole === undefined) return undefined;
  if (isSame(text, term.whole, term.isPrefix)) return to;
  return whole && isSame(whole.text, term.whole, term.isPrefix) ? whole.to : undefined;
}

const isSame = (text: string | undefined, wanted: string, isOpen: boolean): boolean =>
  text !== undefined && (isOpen ? text.startsWith(wanted) : text === wanted);
