import { type RefObject, useEffect, useEffectEvent, useLayoutEffect, useRef, useState } from 'react';

/** Nearer to the end than this, in CSS pixels, who scrolls down is at the end. */
const PINNED_PX = 40;
/** Differences of less come from rounding. */
const EXACT_PX = 2;

export interface AnchoredScroll {
  list: RefObject<HTMLDivElement | null>;
  /** Around what is scrolled: its children's children are what stays in its place. */
  content: RefObject<HTMLDivElement | null>;
  /** The end is shown, and stays shown whatever comes. */
  isPinned: boolean;
  onScroll: () => void;
  pin: () => void;
  /** Shows an element from its beginning on, and stays there. */
  show: (element: Element) => void;
}

interface Anchor {
  element: Element;
  /** From the upper edge of the list. */
  top: number;
}

/** A list that stays at its end while that is seen; otherwise nothing moves what is read, also not what is added above. */
export function useAnchoredScroll(): AnchoredScroll {
  const list = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const anchor = useRef<Anchor>(undefined);
  const last = useRef({ top: 0, height: 0 });
  const [isPinned, setState] = useState(true);
  // At once: what changes its size before the next drawing is settled by it.
  const pinned = useRef(true);
  const setPinned = (next: boolean) => {
    pinned.current = next;
    setState(next);
  };
  const note = (one: HTMLElement) => {
    last.current = { top: one.scrollTop, height: one.scrollHeight };
    anchor.current = content.current ? anchorIn(content.current, topOf(one)) : undefined;
  };
  const settle = () => {
    const { current: one } = list;
    if (!one) return;
    if (pinned.current) one.scrollTop = one.scrollHeight;
    else if (anchor.current?.element.isConnected) {
      const moved = topOf(anchor.current.element) - topOf(one) - anchor.current.top;
      if (Math.abs(moved) >= 1) one.scrollTop += moved;
    }
    last.current = { top: one.scrollTop, height: one.scrollHeight };
  };
  useLayoutEffect(settle);
  const onResize = useEffectEvent(settle);
  useEffect(() => {
    // Also for what no drawing of this list has changed: a fold that opens, a section that comes into sight.
    const observer = new ResizeObserver(() => onResize());
    for (const { current } of [list, content]) if (current) observer.observe(current);
    return () => observer.disconnect();
  }, []);
  const onScroll = () => {
    const { current: one } = list;
    if (!one) return;
    const next = isPinnedAfter(one, last.current);
    if (next !== undefined) setPinned(next);
    note(one);
  };
  const show = (element: Element) => {
    setPinned(false);
    element.scrollIntoView({ block: 'start' });
    if (list.current) note(list.current);
  };
  return { list, content, isPinned, onScroll, pin: () => setPinned(true), show };
}

const topOf = (element: Element): number => element.getBoundingClientRect().top;

/** Undefined: as before. Content that shrinks moves the place as well. */
function isPinnedAfter(
  { scrollTop, scrollHeight, clientHeight }: HTMLElement,
  last: { top: number; height: number },
): boolean | undefined {
  const left = scrollHeight - scrollTop - clientHeight;
  if (left < EXACT_PX) return true;
  if (scrollTop < last.top && scrollHeight >= last.height) return false;
  return left < PINNED_PX && scrollTop > last.top ? true : undefined;
}

/** The first element below an edge. */
function anchorIn(content: Element, edge: number): Anchor | undefined {
  const section = firstBelow(content.children, edge);
  const element = (section && firstBelow(section.children, edge)) ?? section;
  return element && { element, top: topOf(element) - edge };
}

/** Elements are in their order from above. */
function firstBelow(elements: HTMLCollection, edge: number): Element | undefined {
  let from = 0;
  let to = elements.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const bottom = elements[middle]?.getBoundingClientRect().bottom ?? 0;
    if (bottom > edge) to = middle;
    else from = middle + 1;
  }
  return elements[from];
}
