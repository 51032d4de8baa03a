import { t } from '../strings/t.js';

/** Of something that was just made: it is not shown again. */
export function Secret({ secret, address }: { secret: string; address?: string }) {
  return (
    <div className="item" role="status">
      <p>{t('secret.once')}</p>
      {address !== undefined && <pre>{address}</pre>}
      <pre>{secret}</pre>
    </div>
  );
}
