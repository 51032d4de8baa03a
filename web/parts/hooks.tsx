import { useState } from 'react';
import { changeHook, createHook, deleteHook, listHooks, rotateHook } from '../../client/rest/index.js';
import type { HookView } from '../../protocol/hooks.js';
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
import { useKeptText } from './use-kept-text.js';
import { useLoad } from './use-load.js';

/** Addresses at which other programs have a prompt sent. */
export function Hooks() {
  const hooks = useLoad(listHooks);
  return (
    <section aria-labelledby="hooks">
      <h2 id="hooks">{t('hooks.in')}</h2>
      <Loaded of={hooks}>
        {({ hooks: listed }) => (
          <CardList items={listed} keyOf={(hook) => hook.id} none={t('hooks.none')}>
            {(hook) => <Hook hook={hook} onChanged={hooks.again} />}
          </CardList>
        )}
      </Loaded>
      <AddHook onAdded={hooks.again} />
    </section>
  );
}

function Hook({ hook, onChanged }: { hook: HookView; onChanged: () => Promise<void> }) {
  const { link } = useConsole();
  const action = useAction();
  const { id, name = hook.template, workingDirectory, sessionId, enabled, lastUsedAt } = hook;
  const change = (ask: () => Promise<unknown>) => void action.run(() => ask().then(onChanged));
  return (
    <>
      <h3 dir="auto">
        {name} {!enabled && <span className="tag">{t('toggle.isOff')}</span>}
      </h3>
      <p className="quiet path">{workingDirectory ?? sessionId}</p>
      <p className="quiet">
        {t('hooks.used')} {lastUsedAt === undefined ? t('devices.never') : <Moment at={lastUsedAt} />}
      </p>
      <Refusal reason={action.refusal} />
      <div className="row">
        <ToggleButton
          name={name}
          isOn={enabled}
          isBusy={action.isBusy}
          onToggle={() => change(() => changeHook(link.rest, { params: { id }, body: { enabled: !enabled } }))}
        />
        <RotateButton
          name={name}
          question={t('hooks.rotateSure')}
          onRotate={async () => (await rotateHook(link.rest, { params: { id } })).secret}
        />
        <SureButton
          label={t('schedules.removeOf', { name })}
          question={t('hooks.removeSure')}
          isBusy={action.isBusy}
          onSure={() => change(() => deleteHook(link.rest, { params: { id } }))}
        >
          {t('budgets.remove')}
        </SureButton>
      </div>
    </>
  );
}

function AddHook({ onAdded }: { onAdded: () => Promise<void> }) {
  const { link } = useConsole();
  const [workingDirectory, setDirectory] = useState('');
  const [template, setTemplate] = useKeptText('hook-template');
  const [added, setAdded] = useState<{ path: string; secret: string }>();
  const add = async () => {
    setAdded(await createHook(link.rest, { body: { workingDirectory, template } }));
    setTemplate('');
    await onAdded();
  };
  return (
    <AddForm
      title={t('hooks.new')}
      submit={t('hooks.add')}
      onAdd={add}
      added={added && <Secret secret={added.secret} address={`${location.origin}${added.path}`} />}
    >
      <TextField label={t('new.directory')} value={workingDirectory} onChange={setDirectory} />
      <label>
        {t('hooks.template')}
        <textarea value={template} onChange={({ target }) => setTemplate(target.value)} rows={3} dir="auto" required />
      </label>
    </AddForm>
  );
}
