import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { Transcript } from '../store/transcript.js';
import { light } from './light.js';
import type { AnchoredScroll } from './use-anchored-scroll.js';

export interface TargetOptions {
  /** The id of a message or of a tool; undefined: none is looked for. */
  target: string | undefined;
  transcript: Transcript;
  scroll: AnchoredScroll;
  /** Resolves with whether older messages could be loaded. */
  older: () => Promise<boolean>;
}

/** Shows the message that the address names, and loads older ones until it is there. True: there is no such message. */
export function useTarget({ target, transcript, scroll, older }: TargetOptions): boolean {
  const shown = useRef<string>(undefined);
  const [missing, setMissing] = useState<string>();
  const look = useEffectEvent(({ phase, olderThan }: Transcript) => {
    if (target === undefined || shown.current === target || phase !== 'live') return;
    const element = elementOf(scroll, target);
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

/** That of a message or a tool, or of the run that it is in. */
export const elementOf = ({ content }: AnchoredScroll, id = ''): Element | null | undefined =>
  content.current?.querySelector(`[data-message~="${CSS.escape(id)}"]`);
