import { useState } from 'react';
import { t } from '../strings/t.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

export interface CopyButtonProps {
  label: string;
  /** Of what is copied, made when it is. */
  text: () => string;
}

/** Copies, and says so. A page without encryption has no clipboard. */
export function CopyButton({ label, text }: CopyButtonProps) {
  const { refusal, run } = useAction();
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    setCopied(false);
    const done = await run(async () => {
      if (!window.isSecureContext) throw new Error(t('copy.insecure'));
      await navigator.clipboard.writeText(text());
    });
    setCopied(done);
  };
  return (
    <span className="copy">
      <button type="button" onClick={() => void copy()}>
        {label}
      </button>{' '}
      <span role="status">{isCopied && t('copy.done')}</span>
      <Refusal reason={refusal} />
    </span>
  );
}
