import { Hooks } from '../parts/hooks.js';
import { Page } from '../parts/page.js';
import { Webhooks } from '../parts/webhooks.js';
import { t } from '../strings/t.js';

/** What connects the daemon with other programs. */
export function HooksView() {
  return (
    <Page title={t('hooks.title')}>
      <Hooks />
      <Webhooks />
    </Page>
  );
}
