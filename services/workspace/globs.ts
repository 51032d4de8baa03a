/**
 * Name patterns, matched in time proportional to pattern times name. Packages convert a pattern to a regular expression,
 * and one with a dozen stars then takes minutes for a single long name.
 */

export type Part = { kind: 'star' } | { kind: 'one'; accepts: (character: string) => boolean };
export type Segment = 'any depth' | Part[];

/** `?` or `[a-z]`, as one text; every other text is the character itself. */
export function partOf(piece: string): Part {
  if (piece === '?') return { kind: 'one', accepts: () => true };
  const isSet = piece.startsWith('[') && piece.length > 1;
  return isSet ? { kind: 'one', accepts: acceptsSet(piece.slice(1, -1)) } : literal(piece);
}

export const literal = (wanted: string): Part => ({ kind: 'one', accepts: (character) => character === wanted });

function acceptsSet(set: string): (character: string) => boolean {
  const isNegated = set.startsWith('!');
  const ranges = [...(isNegated ? set.slice(1) : set).matchAll(/(.)-(.)|./gsu)].map(
    ([all, from = all, to = all]) => [codePointOf(from), codePointOf(to)] as const,
  );
  return (character) =>
    ranges.some(([from, to]) => codePointOf(character) >= from && codePointOf(character) <= to) !== isNegated;
}

const codePointOf = (character: string): number => character.codePointAt(0) ?? 0;

/** Follows all possible match positions in the pattern at once. */
export function matchesPath(segments: readonly Segment[], names: readonly string[]): boolean {
  let places = withSkipped(segments, new Set([0]));
  for (const name of names) {
    const next = new Set<number>();
    for (const place of places) {
      const segment = segments[place];
      if (segment === 'any depth') next.add(place);
      else if (segment && matchesName(segment, Array.from(name))) next.add(place + 1);
    }
    places = withSkipped(segments, next);
  }
  return places.has(segments.length);
}

/** `**` can match nothing. */
function withSkipped(segments: readonly Segment[], places: Set<number>): Set<number> {
  for (const place of places) if (segments[place] === 'any depth') places.add(place + 1);
  return places;
}

/** Backtracks only to the last star: it can match anything that an earlier one could. */
function matchesName(parts: readonly Part[], name: readonly string[]): boolean {
  let [part, at, star, starAt] = [0, 0, -1, 0];
  while (at < name.length) {
    const wanted = parts[part];
    if (wanted?.kind === 'star') {
      [star, starAt] = [part, at];
      part += 1;
    } else if (wanted?.accepts(name[at] ?? '')) {
      part += 1;
      at += 1;
    } else if (star < 0) return false;
    else {
      starAt += 1;
      [part, at] = [star + 1, starAt];
    }
  }
  while (parts[part]?.kind === 'star') part += 1;
  return part === parts.length;
}
