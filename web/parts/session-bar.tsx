import { lazy, useEffect, useState } from 'react';
import { loadCapabilities, loadContext } from '../link/details.js';
import type { Details, Settings } from '../store/session-details.js';
import { EN, type StringKey } from '../strings/en.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { dollars, inPercent } from './format.js';
import { Lazily } from './lazy-place.js';
import { modelIn } from './models.js';

const SettingsPanel = lazy(async () => ({ default: (await import('./settings-panel.js')).SettingsPanel }));

export interface SessionBarProps {
  sessionId: string;
  settings: Settings | undefined;
  /** Changes whenever the CLI may have something new to tell. */
  status: string | undefined;
}

/** With these a CLI runs that can be asked. */
const RUNNING = new Set(['idle', 'working', 'waiting']);

/** What the session works with and what that has used, in a line; the line opens what can be chosen. */
export function SessionBar({ sessionId, settings, status }: SessionBarProps) {
  const parts = useConsole();
  const [isOpen, setOpen] = useState(false);
  const details = useStore((state) => state.details.get(sessionId));
  useEffect(() => {
    if (status === undefined || !(RUNNING.has(status) || isOpen)) return;
    void loadContext(parts, sessionId);
    if (parts.store.get().details.get(sessionId)?.capabilities.kind !== 'known')
      void loadCapabilities(parts, sessionId);
  }, [parts, sessionId, status, isOpen]);
  return (
    <section className="session-bar" aria-label={t('settings.title')}>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <span>{lineOf(settings, details)}</span>
        <span aria-hidden="true">{isOpen ? '▴' : '▾'}</span>
      </button>
      {isOpen && (
        <Lazily fallback={<p className="quiet">{t('settings.asking')}</p>}>
          <SettingsPanel sessionId={sessionId} settings={settings} details={details} />
        </Lazily>
      )}
    </section>
  );
}

export function modeName(mode: string): string {
  const key = `mode.${mode}`;
  return Object.hasOwn(EN, key) ? t(key as StringKey) : mode;
}

function lineOf(settings: Settings | undefined, details: Details | undefined): string {
  const context = details?.context.kind === 'known' ? details.context.value : undefined;
  return [
    modelIn(details, settings?.model)?.name ?? settings?.model ?? t('settings.noModel'),
    settings?.effort,
    settings?.permissionMode === undefined ? undefined : modeName(settings.permissionMode),
    context &&
      context.maxTokens > 0 &&
      t('context.share', { share: inPercent(context.totalTokens / context.maxTokens) }),
    settings?.cost === undefined ? undefined : dollars(settings.cost),
  ]
    .filter(Boolean)
    .join(' · ');
}
