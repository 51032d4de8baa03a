/**
 * Name patterns, matched in time proportional to pattern times name. Packages convert a pattern to a regular
 * expression, and one with a dozen stars then takes minutes for a single long name.
 */
import { invalid } from '../../protocol/error-codes.js';

export type Glob = (path: string) => boolean;

/** Maximum total length of a pattern's alternatives. */
const MAX_CHARACTERS = 512;

type Part = { kind: 'star' } | { kind: 'one'; accepts: (character: string) => boolean };
type Segment = 'any depth' | Part[];

/**
 * `*` and `?` match characters within a name, `**` any number of folders, `[a-z]` and `[!a-z]` one character, `{a,b}`
 * alternatives, not nested. A pattern without `/` is matched against the name only, others against the path. Throws
 * `INVALID_REQUEST` with `pattern` when there are too many alternatives.
 */
export function parseGlob(pattern: string): Glob {
  const alternatives = expand(pattern).map((text) => text.split('/').map(parseSegment));
  const byName = !pattern.includes('/');
  return (path) => {
    const names = path.split('/');
    const looked = byName ? names.slice(-1) : names;
    return alternatives.some((segments) => matches(segments, looked));
  };
}

function expand(pattern: string): string[] {
  let done: string[] = [''];
  for (const piece of pattern.split(/(\{[^{}]*\})/)) {
    const isChoice = piece.startsWith('{') && piece.endsWith('}') && piece.includes(',');
    const choices = isChoice ? piece.slice(1, -1).split(',') : [piece];
    done = done.flatMap((head) => choices.map((choice) => head + choice));
    if (done.reduce((sum, { length }) => sum + length + 1, 0) > MAX_CHARACTERS + 1) {
      throw invalid('pattern', `must have at most ${MAX_CHARACTERS} characters with all its alternatives`);
    }
  }
  return done;
}

function parseSegment(text: string): Segment {
  if (text === '**') return 'any depth';
  const parts: Part[] = [];
  const pieces = text.matchAll(/\*+|\?|\[!?[^\]]+\]|./gsu);
  for (const [piece] of pieces) parts.push(piece.startsWith('*') ? { kind: 'star' } : one(piece));
  return parts;
}

function one(piece: string): Part {
  if (piece === '?') return { kind: 'one', accepts: () => true };
  const isSet = piece.startsWith('[') && piece.length > 1;
  return { kind: 'one', accepts: isSet ? acceptsSet(piece.slice(1, -1)) : (character) => character === piece };
}

function acceptsSet(set: string): (character: string) => boolean {
  const isNegated = set.startsWith('!');
  const ranges = [...(isNegated ? set.slice(1) : set).matchAll(/(.)-(.)|./gsu)].map(
    ([all, from = all, to = all]) => [codeOf(from), codeOf(to)] as const,
  );
  return (character) => ranges.some(([from, to]) => codeOf(character) >= from && codeOf(character) <= to) !== isNegated;
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0;

/** Follows all possible match positions in the pattern at once. */
function matches(segments: readonly Segment[], names: readonly string[]): boolean {
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
