import { useEffect } from 'react';
import { loadLimits, setAutoContinue } from '../link/details.js';
import type { Limit, Settings } from '../store/session-details.js';
import type { StringKey } from '../strings/en.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { inPercent, moment } from './format.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';
import { useUntil } from './use-until.js';

export interface LimitBannerProps {
  sessionId: string;
  settings: Settings | undefined;
}

/** A limit that is near or reached, until it resets, and what the session does then. */
export function LimitBanner({ sessionId, settings }: LimitBannerProps) {
  const parts = useConsole();
  useEffect(() => void loadLimits(parts), [parts]);
  const limit = useStore((state) => state.limit);
  const isAhead = useUntil(limit?.resetsAt);
  const { isBusy, refusal, run } = useAction();
  if (!limit || !isAhead || (limit.status !== 'warning' && limit.status !== 'rejected')) return undefined;
  const goesOn = settings?.autoContinue ?? false;
  const toggle = () => void run(() => setAutoContinue(parts, sessionId, !goesOn));
  return (
    <section className={`limit ${limit.status}`}>
      <p role="status">
        {wordsOfLimit(limit)}{' '}
        {settings?.continuesAt !== undefined && t('limit.continues', { time: moment(settings.continuesAt) })}
      </p>
      {limit.resetsAt !== undefined && (
        <button type="button" disabled={isBusy} onClick={toggle}>
          {t(goesOn ? 'limit.manual' : 'limit.automatic')}
        </button>
      )}
      <Refusal reason={refusal} />
    </section>
  );
}

const WINDOWS: Record<string, StringKey> = { five_hour: 'window.five_hour', seven_day: 'window.seven_day' };

function wordsOfLimit({ status, window, utilization, resetsAt }: Limit): string {
  if (window === undefined || resetsAt === undefined) return t('limit.pace');
  const values = { window: t(WINDOWS[window] ?? 'window.other'), time: moment(resetsAt) };
  if (status === 'rejected') return t('limit.rejected', values);
  if (utilization === undefined) return t('limit.warningAny', values);
  return t('limit.warning', { ...values, share: inPercent(utilization) });
}
