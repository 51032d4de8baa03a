import { useState } from 'react';
import { t } from '../strings/t.js';
import { Refusal } from './refusal.js';
import { Secret } from './secret.js';
import { SureButton } from './sure-button.js';
import { useAction } from './use-action.js';

export interface RotateButtonProps {
  name: string;
  /** What happens to the old secret. */
  question: string;
  /** Resolves with the new secret, which is shown once. */
  onRotate: () => Promise<string>;
}

/** Replaces a secret. */
export function RotateButton({ name, question, onRotate }: RotateButtonProps) {
  const { isBusy, refusal, run } = useAction();
  const [secret, setSecret] = useState<string>();
  return (
    <>
      <SureButton
        label={t('rotate.of', { name })}
        question={question}
        isBusy={isBusy}
        onSure={() => void run(async () => setSecret(await onRotate()))}
      >
        {t('rotate')}
      </SureButton>
      <Refusal reason={refusal} />
      {secret !== undefined && <Secret secret={secret} />}
    </>
  );
}
