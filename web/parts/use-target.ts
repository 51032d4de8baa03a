import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { Transcript } from '../store/transcript.js';
import type { AnchoredScroll } from './use-anchored-scroll.js';

export interface TargetOptions {
  /** The id of a message or of a tool; undefined: none is looked for. */
  target: string | undefined;
  transcript: Transcript;
  scroll: AnchoredScroll;
  /** Resolves with whether older messages could be loaded. */
  older: () => Promise<boolean>;
}

const LIT_MS = 2500;

/** Shows the message that the address names, and loads older ones until it is there. True: there is no such message. */
export function useTarget({ target, transcript, scroll, older }: TargetOptions): boolean {
  const shown = useRef<string>(undefined);
  const [missing, setMissing] = useState<string>();
  const look = useEffectEvent(({ phase, olderThan }: Transcript) => {
    if (target === undefined || shown.current === target || phase !== 'live') return;
    const element = scroll.content.current?.querySelector(`[data-message~="${CSS.escape(target)}"]`);
    if (element) {
      shown.current = target;
      scroll.show(element);
      light(element);
    } else if (olderThan === undefined) setMissing(target);
    else void older().then((isLoaded) => !isLoaded && setMissing(target));
  });
  const { current } = shown;
  // Again whenever other messages are there.
  useEffect(() => {
    if (target !== undefined) look(transcript);
  }, [target, transcript]);
  return target !== undefined && missing === target && current !== target;
}

/** For the eye, and for who hears the page. */
function light(element: Element): void {
  if (!(element instanceof HTMLElement)) return;
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
  const color = getComputedStyle(element).getPropertyValue('--accent');
  element.animate([{ outline: `3px solid ${color}` }, { outline: `3px solid ${color}` }], LIT_MS);
}
