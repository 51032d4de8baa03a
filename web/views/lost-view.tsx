import { Link as Anchor } from 'wouter';
import { t } from '../strings/t.js';

/** For an address that no view has. */
export function LostView() {
  return (
    <main className="pair">
      <h1>{t('lost.title')}</h1>
      <p role="alert">{t('lost.text')}</p>
      <Anchor href="/" role="button" className="primary">
        {t('session.back')}
      </Anchor>
    </main>
  );
}
