import { t } from '../strings/t.js';
import { useStore } from '../views/use-console.js';

/** Set by the build. */
declare const CONSOLE_VERSION: string;

/** The page outlives the daemon that served it: the next one can be of another version. */
export function VersionBanner() {
  const served = useStore(({ connection }) =>
    connection.kind === 'open' ? connection.welcome.serverVersion : undefined,
  );
  if (served === undefined || served === CONSOLE_VERSION) return undefined;
  return (
    <p className="banner" role="alert">
      {t('app.otherVersion', { daemon: served, page: CONSOLE_VERSION })}{' '}
      <button type="button" onClick={() => location.reload()}>
        {t('load.reload')}
      </button>
    </p>
  );
}
