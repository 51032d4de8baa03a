/** Spoils JSON: as a value, where it stays JSON, and as text, where it mostly does not. */
import type { Random } from './random.js';

type Container = Record<string, unknown> | unknown[];
interface Place {
  parent: Container;
  key: string;
}

/** Written into the text as they are, since `JSON.stringify` would not write them. */
const RAW = '@raw:';
const rawNumber = (text: string) => `${RAW}${text}${RAW}`;

const nested = (depth: number): unknown => rawNumber('['.repeat(depth) + ']'.repeat(depth));

const STRANGE: ((random: Random) => unknown)[] = [
  () => null,
  () => true,
  () => '',
  () => [],
  () => ({}),
  () => -1,
  () => 0.5,
  () => rawNumber('1e400'),
  () => rawNumber('-0'),
  () => rawNumber('9007199254740993'),
  () => rawNumber('1'.repeat(400)),
  () => '\ud800',
  () => 'x\udc00\ud83d',
  () => '\0',
  () => '\u2028\u202e\ufeff',
  () => '../../etc/passwd',
  () => 'constructor',
  () => '__proto__',
  () => rawNumber('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  (random) => nested(1 + random.below(400)),
  (random) => 'x'.repeat(random.below(300)),
  (random) => Array.from({ length: random.below(20) }, (_, index) => index),
  (random) => `id-${random.below(1000)}`,
];

/** A copy of the value with one to three of its places spoilt, as JSON text. */
export function spoilValue(value: object, random: Random): string {
  const copy = structuredClone(value) as Container;
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    const places = placesOf(copy);
    if (places.length > 0) spoilPlace(random.pick(places), random);
  }
  return toText(copy);
}

/** JSON text of a value that may hold what only text can say. */
const toText = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/"@raw:(.*?)@raw:"/g, (_, raw: string) => raw.replaceAll('\\"', '"'));

function placesOf(parent: Container): Place[] {
  return Object.entries(parent).flatMap(([key, value]) => [
    { parent, key },
    ...(typeof value === 'object' && value !== null ? placesOf(value as Container) : []),
  ]);
}

function spoilPlace({ parent, key }: Place, random: Random): void {
  const held = parent as Record<string, unknown>;
  const value = held[key];
  switch (random.below(5)) {
    case 0:
      delete held[key];
      return;
    case 1:
      held[`${key}${random.pick(['', 'x', '\0', 'Id'])}`] = value;
      delete held[key];
      return;
    case 2:
      held[key] = [value];
      return;
    case 3:
      held[key] = typeof value === 'string' ? value.length : String(value);
      return;
    default:
      held[key] = random.pick(STRANGE)(random);
  }
}

const SCRAPS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  '\\u',
  '\\ud800',
  '\0',
  '\t',
  'null',
  'NaN',
  '1e',
  '//',
  "'",
  '\ufeff',
  'é',
  '💥',
];

/** The text with pieces cut out, put in, doubled or exchanged. It holds no newline that was not there. */
export function spoilText(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at);
    case 2:
      return text.slice(0, at) + random.pick(SCRAPS) + text.slice(at);
    case 3:
      return text.slice(0, at) + random.pick(SCRAPS) + text.slice(at + 1);
    case 4:
      return text.slice(0, at) + text.slice(at + 1 + random.below(20));
    default:
      return text + text.slice(at);
  }
}

/** Text of a small grammar: brackets, names and values in any order. */
export function inventText(random: Random): string {
  const words = [...SCRAPS, '"type"', '"requestId"', '"data"', '"ping"', '"x"', '1', '-', '{}', '[]', ' ', 'true'];
  return Array.from({ length: random.below(12) }, () => random.pick(words)).join('');
}
