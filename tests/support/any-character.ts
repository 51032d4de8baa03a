import fc from 'fast-check';

/**
 * Any character of Unicode, as a unit of `fc.string`: the same as its unit `binary`, whose table of a million characters
 * costs each file that uses it two seconds of a processor.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 0xd800, arbitrary: fc.integer({ min: 0, max: 0xd7ff }) },
    { weight: 0x10_2000, arbitrary: fc.integer({ min: 0xe000, max: 0x10_ffff }) },
  )
  .map((codePoint) => String.fromCodePoint(codePoint), codePointOf);

/** Throws for what is not one character, as fast-check asks of it. */
function codePointOf(text: unknown): number {
  const codePoint = typeof text === 'string' ? text.codePointAt(0) : undefined;
  if (codePoint === undefined || String.fromCodePoint(codePoint) !== text) throw new Error('not one character');
  return codePoint;
}
