import { t } from '../strings/t.js';
import { fullMoment } from './format.js';
import { noteOpened, useDaemons } from './use-daemons.js';

/** Leads to the consoles of the other daemons; nothing where there is only this one. */
export function DaemonSwitch() {
  const daemons = useDaemons();
  if (daemons.length === 0) return undefined;
  return (
    <nav className="places daemons" aria-label={t('daemons.title')}>
      <span aria-current="true">{location.host}</span>
      {daemons.map(({ name, origin, openedAt }) => (
        <a key={origin} href={origin} onClick={() => noteOpened(origin)}>
          {name} {openedAt !== undefined && <span className="quiet">{fullMoment(openedAt)}</span>}
        </a>
      ))}
    </nav>
  );
}
