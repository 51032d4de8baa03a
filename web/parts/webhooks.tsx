import { useState } from 'react';
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  listWebhookDeliveries,
  listWebhooks,
  replayWebhookDelivery,
  rotateWebhook,
  testWebhook,
} from '../../client/rest/index.js';
import type { WebhookView } from '../../protocol/webhooks.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { AddForm } from './add-form.js';
import { CardList } from './card-list.js';
import { Loaded } from './loaded.js';
import { Moment } from './moment.js';
import { Refusal } from './refusal.js';
import { RotateButton } from './rotate-button.js';
import { Secret } from './secret.js';
import { SureButton } from './sure-button.js';
import { TextField } from './text-field.js';
import { ToggleButton } from './toggle-button.js';
import { useAction } from './use-action.js';
import { useLoad } from './use-load.js';

const NEWEST = 20;

/** Addresses of other programs that are told what happens. */
export function Webhooks() {
  const webhooks = useLoad(listWebhooks);
  return (
    <section aria-labelledby="webhooks">
      <h2 id="webhooks">{t('webhooks.out')}</h2>
      <Loaded of={webhooks}>
        {({ webhooks: listed }) => (
          <CardList items={listed} keyOf={(webhook) => webhook.webhookId} none={t('webhooks.none')}>
            {(webhook) => <Webhook webhook={webhook} onChanged={webhooks.again} />}
          </CardList>
        )}
      </Loaded>
      <AddWebhook onAdded={webhooks.again} />
    </section>
  );
}

function Webhook({ webhook, onChanged }: { webhook: WebhookView; onChanged: () => Promise<void> }) {
  const { link } = useConsole();
  const action = useAction();
  const [tests, setTests] = useState(0);
  const { webhookId: id, url: name, description, enabled, disabledReason } = webhook;
  const params = { id };
  const change = (ask: () => Promise<unknown>) => void action.run(() => ask().then(onChanged));
  const test = async () => {
    await testWebhook(link.rest, { params });
    setTests(tests + 1);
  };
  return (
    <>
      <h3>
        {description ?? name} {!enabled && <span className="tag">{t('toggle.isOff')}</span>}
      </h3>
      <p className="quiet path">{name}</p>
      {disabledReason !== undefined && <p className="refusal">{t(`webhooks.disabled.${disabledReason}`)}</p>}
      <Deliveries id={id} asked={tests} />
      <Refusal reason={action.refusal} />
      <div className="row">
        <button
          type="button"
          aria-label={t('pushes.testOf', { name })}
          disabled={action.isBusy || !enabled}
          onClick={() => void action.run(test)}
        >
          {t('pushes.test')}
        </button>
        <ToggleButton
          name={name}
          isOn={enabled}
          isBusy={action.isBusy}
          onToggle={() => change(() => changeWebhook(link.rest, { params, body: { enabled: !enabled } }))}
        />
        <RotateButton
          name={name}
          question={t('webhooks.rotateSure')}
          onRotate={async () => (await rotateWebhook(link.rest, { params, body: {} })).secret}
        />
        <SureButton
          label={t('schedules.removeOf', { name })}
          question={t('webhooks.removeSure')}
          isBusy={action.isBusy}
          onSure={() => change(() => deleteWebhook(link.rest, { params }))}
        >
          {t('budgets.remove')}
        </SureButton>
      </div>
    </>
  );
}

function Deliveries({ id, asked }: { id: string; asked: number }) {
  const ask = { params: { id }, query: { limit: NEWEST } };
  const deliveries = useLoad((rest) => listWebhookDeliveries(rest, ask), String(asked));
  const { link } = useConsole();
  const action = useAction();
  const replay = async (deliveryId: string) => {
    await replayWebhookDelivery(link.rest, { params: { id, deliveryId } });
    await deliveries.again();
  };
  return (
    <details>
      <summary>{t('schedules.history')}</summary>
      <Loaded of={deliveries}>
        {({ deliveries: listed }) => (
          <>
            {listed.length === 0 && <p className="quiet">{t('webhooks.nothing')}</p>}
            <Refusal reason={action.refusal} />
            <ol>
              {listed.map(({ deliveryId, type, state, createdAt, lastAttempt }) => (
                <li key={deliveryId}>
                  <Moment at={createdAt} />: {type}, {t(`webhooks.state.${state}`)} {lastAttempt?.failure}{' '}
                  {lastAttempt?.status}{' '}
                  <button
                    type="button"
                    aria-label={t('webhooks.replayOf', { type, at: createdAt })}
                    disabled={action.isBusy}
                    onClick={() => void action.run(() => replay(deliveryId))}
                  >
                    {t('webhooks.replay')}
                  </button>
                </li>
              ))}
            </ol>
          </>
        )}
      </Loaded>
    </details>
  );
}

function AddWebhook({ onAdded }: { onAdded: () => Promise<void> }) {
  const { link } = useConsole();
  const [url, setUrl] = useState('');
  const [secret, setSecret] = useState<string>();
  const add = async () => {
    const added = await createWebhook(link.rest, { body: { url } });
    setSecret(added.secret);
    setUrl('');
    await onAdded();
  };
  return (
    <AddForm
      title={t('webhooks.new')}
      submit={t('hooks.add')}
      onAdd={add}
      added={secret !== undefined && <Secret secret={secret} />}
    >
      <TextField label={t('webhooks.url')} value={url} placeholder="https://example.org/told" onChange={setUrl} />
    </AddForm>
  );
}
