import type { FormEvent, ReactNode } from 'react';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

export interface AddFormProps {
  title: string;
  submit: string;
  /** Rejects with why nothing was added. */
  onAdd: () => Promise<void>;
  /** The fields. */
  children: ReactNode;
  /** Shown below the form. */
  added?: ReactNode;
}

/** A folded form that adds something, and says why it could not. */
export function AddForm({ title, submit, onAdd, children, added }: AddFormProps) {
  const { isBusy, refusal, run } = useAction();
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void run(onAdd);
  };
  return (
    <details className="item">
      <summary>{title}</summary>
      <form onSubmit={onSubmit}>
        {children}
        <Refusal reason={refusal} />
        <button type="submit" className="primary" disabled={isBusy}>
          {submit}
        </button>
      </form>
      {added}
    </details>
  );
}
