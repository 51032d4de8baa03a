import { type ReactNode, useEffect, useEffectEvent, useRef, useState } from 'react';

export interface FoldedCardProps {
  title: string;
  /** The name of its session, where that is not seen otherwise. */
  of?: string;
  isOpen: boolean;
  /** The person opened it, or is in it. */
  isChosen: boolean;
  onChoose: () => void;
  children: ReactNode;
}

/** Folded to a line until it is opened. What was typed in it stays when it is folded again. */
export function FoldedCard({ title, of, isOpen, isChosen, onChoose, children }: FoldedCardProps) {
  const [wasOpen, setWasOpen] = useState(isOpen);
  if (isOpen && !wasOpen) setWasOpen(true);
  const entry = useRef<HTMLLIElement>(null);
  const isUnfolding = useRef(false);
  const unfold = () => {
    isUnfolding.current = true;
    onChoose();
  };
  // Whatever comes, the card that somebody is in stays open.
  const onFocusIn = useEffectEvent(() => {
    if (isOpen && !isChosen) onChoose();
  });
  useEffect(() => {
    const { current } = entry;
    const listener = () => onFocusIn();
    current?.addEventListener('focusin', listener);
    return () => current?.removeEventListener('focusin', listener);
  }, []);
  useEffect(() => {
    if (!isOpen || !isUnfolding.current) return;
    isUnfolding.current = false;
    entry.current?.querySelector<HTMLElement>('[data-open] [data-choice]')?.focus();
  }, [isOpen]);
  return (
    <li ref={entry}>
      {!isOpen && (
        <button type="button" className="folded" data-choice="" aria-expanded={false} onClick={unfold}>
          {of !== undefined && <span className="quiet">{of}</span>} <strong dir="auto">{title}</strong>
        </button>
      )}
      {(isOpen || wasOpen) && (
        <div data-open="" hidden={!isOpen}>
          {children}
        </div>
      )}
    </li>
  );
}
