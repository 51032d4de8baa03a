/** Shortens data that are too large by removing the middle of their longest strings. */
import { cutText } from './plain-text.js';

const MIN_KEPT = 256;

/**
 * JSON too long for a frame, with its longest strings cut to head and tail and `truncated: true` beside them. `max` is
 * in bytes.
 */
export const boundData = (json: string, max: number): string =>
  fitsWithin(json, max) ? json : cutData(JSON.parse(json) as object, max);

/** The same for data whose JSON is known to be too long. */
export function cutData(data: object, max: number): string {
  for (const kept of keptLengths(max)) {
    const shorter = JSON.stringify({ ...(cutStrings(data, kept) as object), truncated: true });
    if (fitsWithin(shorter, max)) return shorter;
  }
  return JSON.stringify(outline(data));
}

/** Whether `cut` is the result of `cutData` for this value within the data. */
export function isCutOf(cut: unknown, whole: unknown, max: number): boolean {
  const json = JSON.stringify(cut);
  const isSame = (value: unknown) => JSON.stringify(value) === json;
  return keptLengths(max).some((kept) => isSame(cutStrings(whole, kept))) || isSame(outlineOf(whole));
}

/** The original beginning of a cut text; an uncut text is returned whole. */
export const headOfCut = (text: string): string => /^([\s\S]*)\n… \d+ characters left out …\n/.exec(text)?.[1] ?? text;

/** The kept lengths to try, in UTF-16 units, largest first. */
function keptLengths(max: number): number[] {
  const lengths: number[] = [];
  for (let kept = Math.floor(max / 4); kept >= MIN_KEPT; kept = Math.floor(kept / 2)) lengths.push(kept);
  return lengths;
}

/** Whether a text takes at most `max` bytes. */
export const fitsWithin = (text: string, max: number): boolean =>
  text.length * 3 <= max || Buffer.byteLength(text) <= max;

/** Removes the middle of strings over `kept` UTF-16 units. */
function cutStrings(value: unknown, kept: number): unknown {
  if (typeof value === 'string') return cutMiddle(value, kept);
  if (Array.isArray(value)) return value.map((item) => cutStrings(item, kept));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cutStrings(item, kept)]));
}

function cutMiddle(text: string, kept: number): string {
  if (text.length <= kept) return text;
  const half = Math.floor(kept / 2);
  const head = cutText(text, half);
  const tail = text.slice(-half).replace(/^[\udc00-\udfff]/, '');
  return `${head}\n… ${text.length - head.length - tail.length} characters left out …\n${tail}`;
}

/** For data with too many parts rather than too long ones: keeps the identifying fields and empties nested values. */
function outline(data: object): object {
  const flat = Object.entries(data).map(([key, value]) => [key, emptied(value)]);
  return { ...Object.fromEntries(flat), truncated: true };
}

function emptied(value: unknown): unknown {
  if (typeof value === 'string') return cutMiddle(value, MIN_KEPT);
  if (Array.isArray(value)) return value.slice(0, 1).map(outlineOf);
  return typeof value === 'object' && value !== null ? {} : value;
}

const outlineOf = (item: unknown): unknown => cutStrings(emptiedParts(item), MIN_KEPT);

const emptiedParts = (item: unknown): unknown =>
  typeof item === 'object' && item !== null && !Array.isArray(item)
    ? Object.fromEntries(Object.entries(item).map(([key, value]) => [key, typeof value === 'object' ? {} : value]))
    : item;
