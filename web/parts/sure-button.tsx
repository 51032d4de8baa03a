import { type ReactNode, useRef, useState } from 'react';
import { t } from '../strings/t.js';

export interface SureButtonProps {
  children: ReactNode;
  /** Says what is lost. */
  question: string;
  /** The accessible name, where the text alone does not tell of what. */
  label: string;
  isBusy: boolean;
  onSure: () => void;
}

const focusOn = (element: HTMLButtonElement | null) => element?.focus();

/** For what cannot be undone: the first press asks, and the focus is on the way back. */
export function SureButton({ children, question, label, isBusy, onSure }: SureButtonProps) {
  const [isAsking, setAsking] = useState(false);
  const wasAsking = useRef(false);
  const leave = () => {
    wasAsking.current = true;
    setAsking(false);
  };
  if (!isAsking) {
    return (
      <button
        type="button"
        className="danger"
        ref={wasAsking.current ? focusOn : undefined}
        aria-label={label}
        disabled={isBusy}
        onClick={() => setAsking(true)}
      >
        {children}
      </button>
    );
  }
  return (
    <fieldset className="sure">
      <legend>{question}</legend>
      <div className="row">
        <button type="button" ref={focusOn} onClick={leave}>
          {t('sure.no')}
        </button>
        <button
          type="button"
          className="danger"
          onClick={() => {
            leave();
            onSure();
          }}
        >
          {t('sure.yes', { action: label })}
        </button>
      </div>
    </fieldset>
  );
}
