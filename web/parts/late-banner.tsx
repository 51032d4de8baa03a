import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';

/** Another device was faster: what this one has answered was not used, and its card is gone. */
export function LateBanner() {
  const { store } = useConsole();
  const request = useStore(({ tooLate }) => tooLate);
  if (request === undefined) return undefined;
  return (
    <p className="banner" role="alert">
      <span dir="auto">{t('permission.tooLate', { title: request.title ?? request.prompt })}</span>{' '}
      <button type="button" onClick={() => store.dispatch({ do: 'tooLate', request: undefined })}>
        {t('permission.seen')}
      </button>
    </p>
  );
}
