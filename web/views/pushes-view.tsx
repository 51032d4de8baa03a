import { Link as Anchor } from 'wouter';
import { listDevices, listPushDeliveries, testPush } from '../../client/rest/index.js';
import type { DeviceView } from '../../protocol/auth.js';
import type { PushDelivery } from '../../protocol/push.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { QuietHoursForm } from '../parts/quiet-hours.js';
import { Refusal } from '../parts/refusal.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { t } from '../strings/t.js';
import { useConsole } from './use-console.js';

const NEWEST = 50;

/** Why somebody was told, and why not. */
export function PushesView() {
  const devices = useLoad(async (rest) => (await listDevices(rest)).devices);
  const deliveries = useLoad((rest) => listPushDeliveries(rest, { query: { limit: NEWEST } }));
  return (
    <Page title={t('pushes.title')}>
      <section aria-labelledby="addresses">
        <h2 id="addresses">{t('pushes.devices')}</h2>
        <Loaded of={devices}>
          {(listed) => (
            <Addresses
              devices={listed.filter(({ push }) => push !== undefined)}
              onTested={deliveries.again}
              onChanged={devices.again}
            />
          )}
        </Loaded>
      </section>
      <section aria-labelledby="deliveries">
        <h2 id="deliveries">{t('pushes.list')}</h2>
        <Loaded of={deliveries}>
          {({ deliveries: listed }) => (
            <>
              {listed.length === 0 && <p className="quiet">{t('pushes.none')}</p>}
              <ul className="cards">
                {listed.map((delivery) => (
                  <li key={delivery.id} className="item">
                    <Delivery delivery={delivery} />
                  </li>
                ))}
              </ul>
            </>
          )}
        </Loaded>
        <div className="row">
          <button type="button" onClick={() => void deliveries.again()}>
            {t('health.again')}
          </button>
        </div>
      </section>
    </Page>
  );
}

interface AddressesProps {
  devices: readonly DeviceView[];
  onTested: () => Promise<void>;
  onChanged: () => Promise<void>;
}

function Addresses({ devices, onTested, onChanged }: AddressesProps) {
  const { link } = useConsole();
  const action = useAction();
  const test = async (deviceId: string) => {
    await testPush(link.rest, { body: { deviceId } });
    await onTested();
  };
  if (devices.length === 0) return <p className="quiet">{t('pushes.noDevices')}</p>;
  return (
    <>
      <Refusal reason={action.refusal} />
      <ul className="cards">
        {devices.map(({ deviceId, name = deviceId, push, preferences }) => (
          <li key={deviceId} className="item">
            <span className="spread">
              <span>
                {name} <span className="tag">{push}</span>
              </span>
              <button
                type="button"
                aria-label={t('pushes.testOf', { name })}
                disabled={action.isBusy}
                onClick={() => void action.run(() => test(deviceId))}
              >
                {t('pushes.test')}
              </button>
            </span>
            <QuietHoursForm {...{ deviceId, name, preferences, onChanged }} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Delivery({ delivery }: { delivery: PushDelivery }) {
  const { kind, deviceId, sessionId, state, at, reason, history } = delivery;
  return (
    <>
      <strong>{kind}</strong> <span className="tag">{t(`pushes.state.${state}`)}</span>{' '}
      <span className="quiet">
        <Moment at={at} />
      </span>
      {reason !== undefined && <p>{t('pushes.because', { reason })}</p>}
      <p className="quiet">
        {t('pushes.to', { device: deviceId })}{' '}
        {sessionId !== null && <Anchor href={`/s/${sessionId}`}>{t('pushes.session')}</Anchor>}
      </p>
      {history.length > 1 && (
        <details>
          <summary>{t('pushes.history')}</summary>
          <ol>
            {history.map((step) => (
              <li key={`${step.at} ${step.state}`}>
                <Moment at={step.at} />: {step.state} {step.reason}
              </li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}
