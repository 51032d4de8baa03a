/** A search in the language of FTS5. Nothing of it is text as it was typed: words have letters and digits only. */
import type { SearchTerms, Term } from '../../ports/search.js';

/** The expression for these words, among the documents with all of these tags. */
export function matchExpression({ all, none }: SearchTerms, tags: readonly string[]): string {
  const wanted = [...all.map(oneOf), ...tags.map((tag) => `tags : ${quoted([tag])}`)].join(' AND ');
  return none.length === 0 ? `(${wanted})` : `(${wanted}) NOT (${none.map(oneOf).join(' OR ')})`;
}

function oneOf({ parts, whole, isPrefix }: Term): string {
  const open = isPrefix ? ' *' : '';
  const asOne = whole === undefined ? [] : [`({said wholes} : ${quoted([whole])}${open})`];
  const asParts = parts.length === 1 && whole !== undefined ? [] : [`(said : ${quoted(parts)}${open})`];
  return `(${[...asParts, ...asOne].join(' OR ')})`;
}

const quoted = (words: readonly string[]): string => `"${words.join(' ')}"`;
