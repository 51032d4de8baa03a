import { t } from '../strings/t.js';
import { Moment } from './moment.js';

/** Above what this browser has kept: it is not what is, but what was seen. */
export function KeptNotice({ at }: { at: string }) {
  return (
    <p className="banner" role="note">
      {t('kept.asOf')} <Moment at={at} />
    </p>
  );
}
