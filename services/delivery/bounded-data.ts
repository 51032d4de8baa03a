const MIN_KEPT = 256;

/**
 * JSON that is too long for a frame, with its longest strings cut to head and tail and `truncated: true` beside them.
 * The whole stays in the journal. `max` is in bytes.
 */
import { cutText } from '../../protocol/cut-text.js';
export function boundData(json: string, max: number): string {
  if (fitsWithin(json, max)) return json;
  const data = JSON.parse(json) as Record<string, unknown>;
  for (let kept = Math.floor(max / 4); kept >= MIN_KEPT; kept = Math.floor(kept / 2)) {
    const shorter = JSON.stringify({ ...(cutStrings(data, kept) as object), truncated: true });
    if (Buffer.byteLength(shorter) <= max) return shorter;
  }
  return JSON.stringify(outline(data));
}

/** Whether a text takes at most `max` bytes. */
export const fitsWithin = (text: string, max: number): boolean =>
  text.length * 3 <= max || Buffer.byteLength(text) <= max;

/** Strings over `kept` UTF-16 units lose their middle. */
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

/** Too many parts rather than too long ones: what identifies the event is kept, nested values are emptied. */
function outline(data: Record<string, unknown>): object {
  const flat = Object.entries(data).map(([key, value]) => [key, emptied(value)]);
  return { ...Object.fromEntries(flat), truncated: true };
}

function emptied(value: unknown): unknown {
  if (typeof value === 'string') return cutMiddle(value, MIN_KEPT);
  if (Array.isArray(value)) return value.slice(0, 1).map((item) => cutStrings(emptiedParts(item), MIN_KEPT));
  return typeof value === 'object' && value !== null ? {} : value;
}

const emptiedParts = (item: unknown): unknown =>
  typeof item === 'object' && item !== null && !Array.isArray(item)
    ? Object.fromEntries(Object.entries(item).map(([key, value]) => [key, typeof value === 'object' ? {} : value]))
    : item;
