/** A long conversation in sections, so that a change draws one of them anew. Pure. */
import type { Item } from './transcript.js';

export interface Section {
  /** Of its first item. */
  key: string;
  items: readonly Item[];
}

/** About one in so many texts begins a section. */
const SPREAD = 16;
const FACTOR = 31;

/** By nothing but the item itself: what comes before or after it moves no other section. */
const isFirst = ({ kind, key }: Item): boolean =>
  (kind === 'human' || kind === 'text' || kind === 'thinking') && hashOf(key) % SPREAD === 0;

function hashOf(key: string): number {
  let hash = 0;
  for (let index = 0; index < key.length; index += 1) hash = (hash * FACTOR + key.charCodeAt(index)) >>> 0;
  return hash;
}

/** What once began a section begins one for ever; a section whose items are those of before is the same object. */
export function sectionsOf(items: readonly Item[], before: readonly Section[]): readonly Section[] {
  const sections = beginningOf(items, before);
  const known = new Map(before.map((section) => [section.key, section]));
  let from = sections.reduce((sum, section) => sum + section.items.length, 0);
  while (from < items.length) {
    let to = from + 1;
    while (to < items.length && !begins(items[to], known)) to += 1;
    sections.push(sectionOf(items.slice(from, to), known));
    from = to;
  }
  return sections;
}

type Known = ReadonlyMap<string, Section>;

const begins = (item: Item | undefined, known: Known): boolean =>
  item !== undefined && (known.has(item.key) || isFirst(item));

/** The sections at the beginning that are as before. The last one can go on. */
function beginningOf(items: readonly Item[], before: readonly Section[]): Section[] {
  const same: Section[] = [];
  let at = 0;
  for (const section of before.slice(0, -1)) {
    const from = at;
    if (!section.items.every((item, index) => item === items[from + index])) break;
    at += section.items.length;
    same.push(section);
  }
  return same;
}

function sectionOf(items: readonly Item[], known: Known): Section {
  const key = items[0]?.key ?? '';
  const before = known.get(key);
  const isSame = before?.items.length === items.length && before.items.every((item, index) => item === items[index]);
  return isSame && before ? before : { key, items };
}

/** The messages of each tool, by tool id. */
export type Nested = ReadonlyMap<string, readonly Item[]>;

const NONE: Nested = new Map();

/** Where nothing has changed, what was there before. */
export function nestedIn(items: readonly Item[], before: Nested = NONE): Nested {
  const nested = new Map<string, Item[]>();
  for (const item of items) {
    if (!('parent' in item) || item.parent === undefined) continue;
    const list = nested.get(item.parent);
    if (list) list.push(item);
    else nested.set(item.parent, [item]);
  }
  return isSameNested(nested, before) ? before : nested;
}

function isSameNested(one: Nested, other: Nested): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([key, items]) => isSameList(items, other.get(key)));
}

const isSameList = (one: readonly Item[], other: readonly Item[] = []): boolean =>
  one.length === other.length && one.every((item, index) => item === other[index]);

/** Whether what was said in the tools among these items, and in those among that, is the same. */
export function isNestedAlike(items: readonly Item[], one: Nested, other: Nested): boolean {
  if (one === other) return true;
  return items.every(({ kind, key }) => {
    if (kind !== 'tool') return true;
    const list = one.get(key) ?? [];
    return isSameList(list, other.get(key)) && isNestedAlike(list, one, other);
  });
}
