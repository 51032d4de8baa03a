import { offerInstallation } from '../link/install.js';
import { INSTALL_TEXTS } from '../strings/install.js';
import { language } from '../strings/t.js';
import { useLoad } from './use-load.js';

/** Says why this page is not offered as an app, and which address is; nothing where it is. */
export function LastingNotice() {
  const { state } = useLoad(offerInstallation);
  if (state.kind !== 'loaded' || state.value.kind === 'lasting') return undefined;
  const { instead, suggested } = state.value;
  const texts = INSTALL_TEXTS[language()];
  return (
    <section aria-labelledby="install">
      <h2 id="install">{texts.title}</h2>
      <div className="item" role="status">
        <p>{texts.passing.replace('{address}', location.origin)}</p>
        {instead !== undefined && (
          <p>
            {texts.instead} <a href={instead}>{instead}</a>
          </p>
        )}
        {suggested !== undefined && <p>{texts.suggested.replace('{address}', suggested)}</p>}
        {instead === undefined && suggested === undefined && <p>{texts.setting}</p>}
      </div>
    </section>
  );
}
