import { useState } from 'react';
import { changePushPreferences } from '../../client/rest/index.js';
import { type PushPreferences, pushPreferencesSchema, type QuietHours } from '../../protocol/push-preferences.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { AddForm } from './add-form.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

interface QuietHoursProps {
  deviceId: string;
  name: string;
  preferences: unknown;
  onChanged: () => Promise<void>;
}

const NIGHT = { from: '22:00', to: '07:00' };

/** Preferences of a newer daemon can have names that this console does not know. */
const quietIn = (preferences: unknown): QuietHours | undefined => {
  const parsed = pushPreferencesSchema.safeParse(preferences ?? {});
  return parsed.success ? parsed.data.quietHours : undefined;
};

/** When a device is not told. */
export function QuietHoursForm({ deviceId, name, preferences, onChanged }: QuietHoursProps) {
  const { link } = useConsole();
  const removal = useAction();
  const known = quietIn(preferences);
  const [from, setFrom] = useState(known?.from ?? NIGHT.from);
  const [to, setTo] = useState(known?.to ?? NIGHT.to);
  const [exceptUrgent, setExceptUrgent] = useState(known?.exceptUrgent ?? true);
  const set = async (quietHours: PushPreferences['quietHours'] | null) => {
    await changePushPreferences(link.rest, { body: { deviceId, preferences: { quietHours } } });
    await onChanged();
  };
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const title = known ? t('quiet.from', { name, from: known.from, to: known.to }) : t('quiet.none', { name });
  return (
    <AddForm title={title} submit={t('quiet.set')} onAdd={() => set({ from, to, timeZone, exceptUrgent })}>
      <label>
        {t('quiet.begin')}
        <input type="time" value={from} onChange={({ target }) => setFrom(target.value)} required />
      </label>
      <label>
        {t('quiet.end')}
        <input type="time" value={to} onChange={({ target }) => setTo(target.value)} required />
      </label>
      <label className="choice">
        <input type="checkbox" checked={exceptUrgent} onChange={({ target }) => setExceptUrgent(target.checked)} />
        {t('quiet.urgent')}
      </label>
      <Refusal reason={removal.refusal} />
      {known && (
        <button type="button" disabled={removal.isBusy} onClick={() => void removal.run(() => set(null))}>
          {t('quiet.remove')}
        </button>
      )}
    </AddForm>
  );
}
