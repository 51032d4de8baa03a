/** Parses a JSON text; undefined, which is never a JSON value, when the text is invalid. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The only possible error is a `SyntaxError`, whose message varies with the engine and quotes the text.
    return undefined;
  }
}

/** Limits on the cost of parsing a JSON text: parsing is synchronous and blocks the event loop. */
export interface JsonBounds {
  /** Nesting depth of objects and arrays; unlimited when absent. */
  depth?: number;
  /** UTF-16 units outside strings, including the strings' quotes: brackets, commas, numbers, white space. */
  outsideStrings: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The rule that a JSON text breaks, or undefined. Strings are skipped and the scan ends at the first broken rule, so
 * the time is bounded by `outsideStrings` and the number of quotes, however long the text is. It need not be JSON.
 */
export function brokenJsonBound(
  text: string,
  { depth: deepest = Number.POSITIVE_INFINITY, outsideStrings: most }: JsonBounds,
): string | undefined {
  let depth = 0;
  let outside = 0;
  for (let at = 0; at < text.length; at += 1) {
    outside += 1;
    if (outside > most) return `must have at most ${most} characters outside of strings`;
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(text, at);
      if (at === -1) return undefined;
      outside += 1;
    } else {
      depth += stepOf(unit);
      if (depth > deepest) return `must be nested at most ${deepest} deep`;
    }
  }
  return undefined;
}

/** `[` and `{` differ from `]` and `}` by 2, and from each other by 0x20. */
function stepOf(unit: number): number {
  const bracket = unit | 0x20;
  if (bracket === 0x7b) return 1;
  return bracket === 0x7d ? -1 : 0;
}

/** Index of the closing quote of the string that begins here; -1 when it has none. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 0;
}
