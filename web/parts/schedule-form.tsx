import { useState } from 'react';
import { createSchedule } from '../../client/rest/index.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { AddForm } from './add-form.js';
import { ProjectChoice } from './project-choice.js';
import { Select } from './select.js';
import { useKeptText } from './use-kept-text.js';

const RHYTHMS = ['daily', 'weekdays', 'once', 'cron'] as const;
type Rhythm = (typeof RHYTHMS)[number];

interface When {
  rhythm: Rhythm;
  time: string;
  at: string;
  cron: string;
}

/** In the words of the daemon; the times are those of this browser. */
function whenOf({ rhythm, time, at, cron }: When) {
  if (rhythm === 'once') return { at: new Date(at).toISOString() };
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  if (rhythm === 'cron') return { cron, timeZone };
  const [hours, minutes] = time.split(':').map(Number);
  return { cron: `${minutes} ${hours} * * ${rhythm === 'daily' ? '*' : '1-5'}`, timeZone };
}

/** A prompt that the daemon sends by itself. */
export function ScheduleForm({ onAdded }: { onAdded: () => Promise<void> }) {
  const { link } = useConsole();
  const [workingDirectory, setDirectory] = useState('');
  const [prompt, setPrompt] = useKeptText('schedule-prompt');
  const [when, setWhen] = useState<When>({ rhythm: 'daily', time: '07:00', at: '', cron: '' });
  const add = async () => {
    await createSchedule(link.rest, { body: { workingDirectory, prompt, ...whenOf(when) } });
    setPrompt('');
    await onAdded();
  };
  return (
    <AddForm title={t('schedules.new')} submit={t('schedules.add')} onAdd={add}>
      <label>
        {t('new.directory')}
        <input
          value={workingDirectory}
          onChange={({ target }) => setDirectory(target.value)}
          spellCheck={false}
          autoCapitalize="none"
          required
        />
      </label>
      <ProjectChoice directory={workingDirectory} onChoose={setDirectory} />
      <label>
        {t('schedules.prompt')}
        <textarea value={prompt} onChange={({ target }) => setPrompt(target.value)} rows={3} dir="auto" required />
      </label>
      <WhenFields when={when} onChange={(changed) => setWhen({ ...when, ...changed })} />
    </AddForm>
  );
}

function WhenFields({ when, onChange }: { when: When; onChange: (changed: Partial<When>) => void }) {
  const { rhythm, time, at, cron } = when;
  return (
    <>
      <Select
        label={t('schedules.rhythm')}
        value={rhythm}
        options={RHYTHMS}
        onChoose={(chosen) => onChange({ rhythm: chosen })}
        wordsOf={(one) => t(`schedules.rhythm.${one}`)}
      />
      {(rhythm === 'daily' || rhythm === 'weekdays') && (
        <label>
          {t('schedules.time')}
          <input type="time" value={time} onChange={({ target }) => onChange({ time: target.value })} required />
        </label>
      )}
      {rhythm === 'once' && (
        <label>
          {t('schedules.at')}
          <input type="datetime-local" value={at} onChange={({ target }) => onChange({ at: target.value })} required />
        </label>
      )}
      {rhythm === 'cron' && (
        <label>
          {t('schedules.cron')}
          <input
            value={cron}
            onChange={({ target }) => onChange({ cron: target.value })}
            placeholder="30 8 * * 1-5"
            spellCheck={false}
            required
          />
        </label>
      )}
    </>
  );
}
