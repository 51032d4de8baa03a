import type { FormEvent, ReactNode } from 'react';
import { t } from '../strings/t.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

export interface PassingFormProps {
  submit: string;
  /** Rejects with why nothing was changed: the form stays. */
  onSubmit: () => Promise<void>;
  onLeave: () => void;
  /** The fields. */
  children: ReactNode;
}

/** A form that is left when it has done its work, or is given up. */
export function PassingForm({ submit, onSubmit, onLeave, children }: PassingFormProps) {
  const { isBusy, refusal, run } = useAction();
  const onFormSubmit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(onSubmit)) onLeave();
  };
  return (
    <form onSubmit={(event) => void onFormSubmit(event)}>
      {children}
      <Refusal reason={refusal} />
      <div className="row">
        <button type="submit" className="primary" disabled={isBusy}>
          {submit}
        </button>
        <button type="button" onClick={onLeave}>
          {t('new.cancel')}
        </button>
      </div>
    </form>
  );
}
