import { setAutoContinue } from '../link/details.js';
import { markdownOf } from '../store/markdown-of.js';
import type { Details, Settings } from '../store/session-details.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { ContextMeter } from './context-meter.js';
import { Conversations } from './conversations.js';
import { CopyButton } from './copy-button.js';
import { dollars } from './format.js';
import { modelIn } from './models.js';
import { Refusal } from './refusal.js';
import { modeName } from './session-bar.js';
import { useAction } from './use-action.js';

export interface SettingsPanelProps {
  sessionId: string;
  settings: Settings | undefined;
  details: Details | undefined;
}

const MODES = ['default', 'acceptEdits', 'plan', 'auto', 'dontAsk', 'bypassPermissions'] as const;
type Mode = (typeof MODES)[number];
const OWN = 'default';

export function SettingsPanel({ sessionId, settings, details }: SettingsPanelProps) {
  const parts = useConsole();
  const { client } = parts.link;
  const { isBusy, refusal, run } = useAction();
  const copied = () => {
    const items = parts.store.get().transcripts.get(sessionId)?.items ?? [];
    return markdownOf(items, { human: t('session.you'), claude: t('session.claude') });
  };
  const capabilities = details?.capabilities ?? { kind: 'loading' };
  const models = capabilities.kind === 'known' ? capabilities.value.models : [];
  const model = modelIn(details, settings?.model);
  const levels = model?.effortLevels ?? [];
  return (
    <div className="settings" aria-busy={isBusy}>
      {capabilities.kind === 'loading' && <p className="quiet">{t('settings.asking')}</p>}
      {capabilities.kind === 'failed' && (
        <p className="quiet">{t('settings.unknown', { reason: capabilities.because })}</p>
      )}
      <div className="fields">
        {models.length > 0 && (
          <Choice
            label={t('settings.model')}
            value={model?.id ?? settings?.model ?? ''}
            options={models.map(({ id, name }) => ({ value: id, name }))}
            onChoose={(id) => void run(() => client.setModel({ sessionId, model: id }))}
          />
        )}
        {levels.length > 0 && (
          <Choice
            label={t('settings.effort')}
            value={settings?.effort ?? OWN}
            options={[OWN, ...levels].map((value) => ({
              value,
              name: value === OWN ? t('settings.ownEffort') : value,
            }))}
            onChoose={(effort) => void run(() => client.setEffort({ sessionId, effort }))}
          />
        )}
        <Choice
          label={t('settings.mode')}
          value={settings?.permissionMode ?? OWN}
          options={MODES.map((value) => ({ value, name: modeName(value) }))}
          onChoose={(mode) => void run(() => client.setPermissionMode({ sessionId, mode: mode as Mode }))}
        />
      </div>
      <label className="choice">
        <input
          type="checkbox"
          checked={settings?.autoContinue ?? false}
          onChange={({ target }) => void run(() => setAutoContinue(parts, sessionId, target.checked))}
        />
        {t('settings.automatic')}
      </label>
      <Refusal reason={refusal} />
      <Conversations sessionId={sessionId} />
      <CopyButton label={t('copy.conversation')} text={copied} />
      <ContextMeter context={details?.context} />
      {settings?.cost !== undefined && <p className="quiet">{t('settings.cost', { cost: dollars(settings.cost) })}</p>}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly { value: string; name: string }[];
  onChoose: (value: string) => void;
}

function Choice({ label, value, options, onChoose }: ChoiceProps) {
  const isListed = options.some((option) => option.value === value);
  return (
    <label>
      {label}
      <select value={value} onChange={({ target }) => onChoose(target.value)}>
        {!isListed && <option value={value}>{value}</option>}
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.name}
          </option>
        ))}
      </select>
    </label>
  );
}
