import { type RefObject, useEffect, useEffectEvent, useRef, useState } from 'react';

export interface WhenSeen<Element extends HTMLElement, Value> {
  /** Of what has to be seen. */
  place: RefObject<Element | null>;
  /** Undefined until it is there, and where it could not be made. */
  value: Value | undefined;
}

/** What is made once its place is seen, and again for another `key`. Only for what the page can do without. */
export function useWhenSeen<Element extends HTMLElement, Value>(
  make: () => Promise<Value>,
  key: string,
): WhenSeen<Element, Value> {
  const place = useRef<Element>(null);
  const [made, setMade] = useState<{ key: string; value: Value }>();
  const begin = useEffectEvent(make);
  useEffect(() => {
    let isGone = false;
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      seen.disconnect();
      begin().then(
        (value) => !isGone && setMade({ key, value }),
        // Without it the page says the same, whatever went wrong.
        () => {},
      );
    });
    if (place.current) seen.observe(place.current);
    return () => {
      isGone = true;
      seen.disconnect();
    };
  }, [key]);
  return { place, value: made?.key === key ? made.value : undefined };
}
