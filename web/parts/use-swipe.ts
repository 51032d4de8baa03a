import { type PointerEvent, useEffect, useEffectEvent, useRef, useState } from 'react';

export type Swiped = 'allow' | 'deny';

export interface SwipeOptions {
  /** What a swipe may answer. */
  canAllow: boolean;
  isOn: boolean;
  onAnswer: (response: Swiped) => void;
}

/** In CSS pixels: so far a card has to be moved. */
const FAR_PX = 96;
/** A movement that is less sideways than this belongs to the page. */
const BEGIN_PX = 12;
/** So long an answer can be taken back. */
const UNDO_MS = 4000;

/** A card that is moved by a finger: to the right it is allowed, to the left denied, unless that is taken back. */
export function useSwipe({ canAllow, isOn, onAnswer }: SwipeOptions) {
  const from = useRef<number>(undefined);
  const [by, setBy] = useState(0);
  const [pending, setPending] = useState<Swiped>();
  const answer = useEffectEvent(onAnswer);
  useEffect(() => {
    if (pending === undefined) return undefined;
    const timer = setTimeout(() => {
      setPending(undefined);
      answer(pending);
    }, UNDO_MS);
    // A view that is left has answered nothing.
    return () => clearTimeout(timer);
  }, [pending]);
  const movedBy = ({ clientX }: PointerEvent): number => {
    const moved = from.current === undefined ? 0 : clientX - from.current;
    return moved > 0 && !canAllow ? 0 : moved;
  };
  const leave = () => {
    from.current = undefined;
    setBy(0);
  };
  const end = (event: PointerEvent) => {
    const moved = movedBy(event);
    if (Math.abs(moved) >= FAR_PX) setPending(moved > 0 ? 'allow' : 'deny');
    leave();
  };
  const move = (event: PointerEvent) => {
    const moved = movedBy(event);
    setBy(Math.abs(moved) < BEGIN_PX ? 0 : moved);
  };
  const handlers = {
    onPointerDown: ({ pointerType, clientX, isPrimary }: PointerEvent) => {
      if (pointerType === 'touch' && isPrimary && pending === undefined) from.current = clientX;
    },
    onPointerMove: move,
    onPointerUp: end,
    onPointerCancel: leave,
    'data-swipe': by === 0 ? undefined : by > 0 ? 'allow' : 'deny',
    style: by === 0 ? undefined : { transform: `translateX(${by}px)` },
  };
  return { handlers: isOn ? handlers : {}, pending, undo: () => setPending(undefined) };
}
