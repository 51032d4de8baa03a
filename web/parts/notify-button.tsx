import { useEffect, useState } from 'react';
import { wordsOf } from '../link/link.js';
import { type PushState, pushState, subscribe } from '../link/push.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';

/** Offers pushes to this browser, until it has them. */
export function NotifyButton() {
  const { link } = useConsole();
  const [state, setState] = useState<PushState>();
  const [refusal, setRefusal] = useState<string>();
  useEffect(() => void pushState().then(setState), []);
  const onClick = async () => {
    setRefusal(undefined);
    try {
      setState(await subscribe(link));
    } catch (error) {
      setRefusal(wordsOf(error));
    }
  };
  if (state === 'refused') return <p className="quiet">{t('notify.refused')}</p>;
  if (state !== 'off') return undefined;
  return (
    <p>
      <button type="button" onClick={() => void onClick()}>
        {t('notify.offer')}
      </button>
      {refusal !== undefined && (
        <span role="alert" className="refusal">
          {' '}
          {t('notify.failed', { reason: refusal })}
        </span>
      )}
    </p>
  );
}
