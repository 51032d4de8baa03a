/** A long text in parts, each of which is laid out when it is seen. Pure. */

/** UTF-16 units of a part, at most one more. */
const LENGTH = 20_000;

/** At the ends of lines, as far as lines are short. What a text grows by changes its last part alone. */
export function partsOf(text: string): readonly string[] {
  const parts: string[] = [];
  for (let from = 0; from < text.length; ) {
    const to = endOf(text, from);
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

function endOf(text: string, from: number): number {
  const end = from + LENGTH;
  if (end >= text.length) return text.length;
  const line = text.lastIndexOf('\n', end - 1);
  if (line > from) return line + 1;
  // Not within a character.
  return /[\udc00-\udfff]/.test(text[end] ?? '') ? end + 1 : end;
}
