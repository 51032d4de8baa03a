import type { ReactNode } from 'react';
import { t } from '../strings/t.js';
import type { Loading } from './use-load.js';

export interface LoadedProps<Value> {
  of: Loading<Value>;
  children: (value: Value) => ReactNode;
}

/** What was asked for, or that it is on its way, or why it is not there and a way to ask again. */
export function Loaded<Value>({ of: { state, again }, children }: LoadedProps<Value>) {
  if (state.kind === 'loading') {
    return (
      <p className="quiet" role="status">
        {t('load.loading')}
      </p>
    );
  }
  if (state.kind === 'loaded') return children(state.value);
  return (
    <div role="alert">
      <p className="refusal">{t('load.failed', { reason: state.because })}</p>
      <button type="button" onClick={() => void again()}>
        {t('load.again')}
      </button>
    </div>
  );
}
