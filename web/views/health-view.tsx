import { health, type RestClient, RestError, showInfo } from '../../client/rest/index.js';
import type { Health } from '../../protocol/rest.js';
import { Loaded } from '../parts/loaded.js';
import { Page } from '../parts/page.js';
import { useLoad } from '../parts/use-load.js';
import { t } from '../strings/t.js';

const UNAVAILABLE = 503;

type Known = Pick<Health, 'status'> & Partial<Health>;
type Texts = Readonly<Record<string, string | undefined>>;

/** An unhealthy daemon refuses: that is what is asked for. */
async function ask(rest: RestClient): Promise<Known> {
  try {
    return await health(rest);
  } catch (error) {
    if (error instanceof RestError && error.status === UNAVAILABLE) return { status: 'unhealthy' };
    throw error;
  }
}

/** How the daemon is, and the remedy for what is wrong. */
export function HealthView() {
  const known = useLoad(ask);
  const info = useLoad(showInfo);
  return (
    <Page title={t('health.title')}>
      <section aria-labelledby="checks">
        <h2 id="checks">{t('health.checks')}</h2>
        <Loaded of={known}>{(found) => <Checks found={found} />}</Loaded>
        <div className="row">
          <button type="button" onClick={() => void known.again()}>
            {t('health.again')}
          </button>
        </div>
      </section>
      <section aria-labelledby="versions">
        <h2 id="versions">{t('health.versions')}</h2>
        <Loaded of={info}>
          {({ version, claudeCodeVersion }) => (
            <dl className="item">
              <dt>{t('health.daemon')}</dt>
              <dd>{version}</dd>
              <dt>{t('health.cli')}</dt>
              <dd>{claudeCodeVersion ?? t('health.noCli')}</dd>
            </dl>
          )}
        </Loaded>
      </section>
    </Page>
  );
}

function Checks({ found }: { found: Known }) {
  const { status, active_sessions: active } = found;
  const checks: Texts = found.checks ?? {};
  const remedies: Texts = found.remedies ?? {};
  return (
    <div className="item">
      <p role="status">
        <strong>{t(`health.status.${status}`)}</strong>
      </p>
      {status === 'unhealthy' && <p>{t('health.doctor')}</p>}
      {active !== undefined && <p className="quiet">{t('health.sessions', { count: active })}</p>}
      <dl>
        {Object.entries(checks).map(([name, result]) => (
          <div key={name} className="check">
            <dt>{name}</dt>
            <dd>
              {result}
              {remedies[name] !== undefined && <p className="refusal">{remedies[name]}</p>}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
