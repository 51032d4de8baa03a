import { offerInstallation } from '../link/install.js';
import { t } from '../strings/t.js';
import { useLoad } from './use-load.js';

/** Says why this page is not offered as an app, and which address is; nothing where it is. */
export function LastingNotice() {
  const { state } = useLoad(offerInstallation);
  if (state.kind !== 'loaded' || state.value.kind === 'lasting') return undefined;
  const { instead, suggested } = state.value;
  return (
    <section aria-labelledby="install">
      <h2 id="install">{t('install.title')}</h2>
      <div className="item" role="status">
        <p>{t('install.passing', { address: location.origin })}</p>
        {instead !== undefined && (
          <p>
            {t('install.instead')} <a href={instead}>{instead}</a>
          </p>
        )}
        {suggested !== undefined && <p>{t('install.suggested', { address: suggested })}</p>}
        {instead === undefined && suggested === undefined && <p>{t('install.setting')}</p>}
      </div>
    </section>
  );
}
