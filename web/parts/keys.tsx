import { lazy, useEffect, useEffectEvent, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { Lazily } from './lazy-place.js';
import { singleKey } from './single-keys.js';

const Palette = lazy(async () => ({ default: (await import('./palette.js')).Palette }));
const KeyHelp = lazy(async () => ({ default: (await import('./key-help.js')).KeyHelp }));

type Shown = 'palette' | 'help' | undefined;

const STEPS: Record<string, number> = { j: 1, k: -1 };

/** The keys of all views, and what they open. */
export function Keys() {
  const [shown, setShown] = useState<Shown>();
  const [, navigate] = useLocation();
  const choose = useChoice();
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const isPalette = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey;
    const key = singleKey(event) ?? '';
    const step = STEPS[key];
    if (isPalette) setShown('palette');
    else if (key === '?') setShown('help');
    else if (key === 'n') navigate('/new');
    else if (step !== undefined) choose(step);
    else return;
    event.preventDefault();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    document.addEventListener('keydown', listener);
    return () => document.removeEventListener('keydown', listener);
  }, []);
  const close = () => setShown(undefined);
  return (
    <Lazily>
      {shown === 'palette' && <Palette onClose={close} onHelp={() => setShown('help')} />}
      {shown === 'help' && <KeyHelp onClose={close} />}
    </Lazily>
  );
}

/** Moves the focus among the requests and sessions of the view. After an answered one comes the one in its place. */
function useChoice(): (step: number) => void {
  const last = useRef(-1);
  return (step) => {
    const choices = [...document.querySelectorAll<HTMLElement>('[data-choice]')].filter(
      (choice) => choice.offsetParent !== null,
    );
    const now = choices.findIndex((choice) => choice.contains(document.activeElement));
    const from = now < 0 && step > 0 ? last.current - 1 : last.current;
    const next = Math.min(Math.max((now < 0 ? from : now) + step, 0), choices.length - 1);
    last.current = next;
    choices[next]?.focus();
    // What is folded is opened, and takes the focus itself.
    if (choices[next]?.getAttribute('aria-expanded') === 'false') choices[next]?.click();
    choices[next]?.scrollIntoView({ block: 'nearest' });
  };
}
