/** Lines that no CLI should write, made of lines that the real one has written. */
import { inventText, spoilText, spoilValue } from './mutations.js';
import type { Random } from './random.js';

const NEWLINE = Buffer.from('\n');
const MIB = 1024 * 1024;

/** One line with its newline; what is in it may hold newlines of its own. */
export function malformedLine(recorded: readonly string[], random: Random): Buffer {
  return Buffer.concat([bytesOf(recorded, random), NEWLINE]);
}

function bytesOf(recorded: readonly string[], random: Random): Buffer {
  const line = random.pick(recorded);
  const kind = random.next();
  if (kind < 0.5) return Buffer.from(spoilValue(JSON.parse(line) as object, random));
  if (kind < 0.75) return Buffer.from(spoilText(line, random));
  if (kind < 0.8) return Buffer.from(inventText(random));
  if (kind < 0.85) return spoilBytes(Buffer.from(line), random);
  if (kind < 0.8505) return Buffer.from(longLine(line, random));
  // Whole, and in the wrong place: blocks out of order, results without turns, ids of another turn.
  return Buffer.from(line);
}

/** Some bytes that are no UTF-8, or a newline in the middle. */
function spoilBytes(bytes: Buffer, random: Random): Buffer {
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    bytes[random.below(bytes.length)] = random.pick([0x00, 0x0a, 0x0d, 0x80, 0xc3, 0xed, 0xff]);
  }
  return bytes;
}

/** About 1 MB: one string, a deep nest or a wide list. */
function longLine(line: string, random: Random): string {
  const grown = JSON.parse(line) as Record<string, unknown>;
  const long = random.pick([
    `"${'x'.repeat(MIB)}"`,
    '['.repeat(MIB / 2) + ']'.repeat(MIB / 2),
    `[${'1,'.repeat(MIB / 2)}1]`,
  ]);
  return `${JSON.stringify({ ...grown, message: 0 }).slice(0, -1)},"message":${long}}`;
}
