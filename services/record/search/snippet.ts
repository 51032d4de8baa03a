import { findTerm } from '../../model/search-query.js';
import type { Token } from '../../model/search-words.js';
import type { Span, Term } from '../../ports/search.js';

/** UTF-16 units before and after the first mark. */
const BEFORE = 60;
const LENGTH = 240;

/** The part of a text with the most of the words, and where they are in it. Plain text: nothing in it is markup. */
export function snippetOf(
  text: string,
  tokens: readonly Token[],
  terms: readonly Term[],
): { text: string; marks: Span[] } {
  const spans = terms.flatMap((term) => findTerm(tokens, term)).sort((a, b) => a.from - b.from || b.to - a.to);
  const start = startOf(text, bestOf(spans));
  const end = endOf(text, start);
  const lead = start > 0 ? '…' : '';
  const marks = joined(spans.filter(({ from }) => from >= start && from < end)).map(({ from, to }) => ({
    from: from - start + lead.length,
    to: Math.min(to, end) - start + lead.length,
  }));
  return { text: `${lead}${text.slice(start, end)}${end < text.length ? '…' : ''}`, marks };
}

/** Where the piece with the most marks has its first. */
function bestOf(spans: readonly Span[]): number {
  let [best, most, last] = [spans[0]?.from ?? 0, 0, 0];
  for (const [index, { from }] of spans.entries()) {
    while ((spans[last]?.to ?? Number.POSITIVE_INFINITY) <= from + LENGTH - BEFORE) last += 1;
    if (last - index > most) [best, most] = [from, last - index];
  }
  return best;
}

/** At a space where there is one. */
function startOf(text: string, mark: number): number {
  const earliest = Math.max(0, mark - BEFORE);
  if (earliest === 0) return 0;
  const space = text.slice(earliest, mark).search(/\s/);
  return whole(text, space < 0 ? earliest : earliest + space + 1);
}

function endOf(text: string, start: number): number {
  const end = Math.min(text.length, start + LENGTH);
  return end === text.length ? end : whole(text, end);
}

/** Not between the halves of a character. */
const whole = (text: string, at: number): number => (/[\udc00-\udfff]/.test(text[at] ?? '') ? at - 1 : at);

/** Marks that overlap are one. */
function joined(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const { from, to } of spans) {
    const last = result.at(-1);
    if (last && from < last.to) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}
