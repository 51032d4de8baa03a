import { useState } from 'react';
import { showLimits, showUsage } from '../../client/rest/index.js';
import type { UsageLimits, UsageRowView } from '../../protocol/usage.js';
import { Budgets } from '../parts/budgets.js';
import { DayChart } from '../parts/day-chart.js';
import { dollars, inPercent, tokens } from '../parts/format.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { Select } from '../parts/select.js';
import { useLoad } from '../parts/use-load.js';
import { EN, type StringKey } from '../strings/en.js';
import { t } from '../strings/t.js';
import { useStore } from './use-console.js';

const GROUPS = ['day', 'model', 'project', 'session'] as const;
type Group = (typeof GROUPS)[number];
const DAYS = 30;
const DAY_MS = 86_400_000;

/** What was used and what may be. */
export function UsageView() {
  const limits = useLoad(showLimits);
  return (
    <Page title={t('usage.title')}>
      <section aria-labelledby="limits">
        <h2 id="limits">{t('usage.limits')}</h2>
        <Loaded of={limits}>{(known) => <Limits limits={known} />}</Loaded>
      </section>
      <Used />
      <Budgets />
    </Page>
  );
}

function windowName(window: string): string {
  const key = `window.${window}`;
  return Object.hasOwn(EN, key) ? t(key as StringKey) : window;
}

function Limits({ limits: { account, status, windows, updatedAt } }: { limits: UsageLimits }) {
  return (
    <div className="item">
      {account && <p>{account.plan ?? account.provider ?? t(`usage.account.${account.kind}`)}</p>}
      {status === undefined && <p className="quiet">{t('usage.unknown')}</p>}
      {status !== undefined && <p>{t(`usage.status.${status}`)}</p>}
      {windows.map(({ window, utilization, resetsAt }) => (
        <div key={window} className="field">
          {t('usage.window', { window: windowName(window) })}
          {utilization !== undefined && (
            <>
              {' '}
              {inPercent(utilization)}
              <meter
                min={0}
                max={1}
                high={0.8}
                value={utilization}
                aria-label={t('usage.window', { window: windowName(window) })}
              />
            </>
          )}
          {resetsAt !== undefined && (
            <span className="quiet">
              {t('budgets.resets')} <Moment at={resetsAt} />
            </span>
          )}
        </div>
      ))}
      {updatedAt !== undefined && (
        <p className="quiet">
          {t('usage.updated')} <Moment at={updatedAt} />
        </p>
      )}
    </div>
  );
}

/** Days are those of UTC, as the daemon counts them. */
const dayBefore = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

const lastDays = (): string[] => Array.from({ length: DAYS }, (_, index) => dayBefore(DAYS - 1 - index));

function Used() {
  const [group, setGroup] = useState<Group>('day');
  const usage = useLoad((rest) => showUsage(rest, { query: { group, from: dayBefore(DAYS - 1) } }), group);
  return (
    <section aria-labelledby="used">
      <h2 id="used">{t('usage.used', { count: DAYS })}</h2>
      <Select
        label={t('usage.by')}
        value={group}
        options={GROUPS}
        onChoose={setGroup}
        wordsOf={(one) => t(`usage.by.${one}`)}
      />
      <Loaded of={usage}>
        {({ rows }) =>
          rows.length === 0 ? (
            <p className="quiet">{t('usage.none')}</p>
          ) : (
            <>
              {group === 'day' && <DayChart days={withEmptyDays(rows)} />}
              <Table group={group} rows={rows} />
            </>
          )
        }
      </Loaded>
    </section>
  );
}

function withEmptyDays(rows: readonly UsageRowView[]) {
  const costs = new Map(rows.map(({ key, cost }) => [key, cost]));
  return lastDays().map((day) => ({ day, cost: costs.get(day) ?? 0 }));
}

function Table({ group, rows }: { group: Group; rows: readonly UsageRowView[] }) {
  const sessions = useStore((state) => state.sessions);
  const nameOf = (key: string) => {
    if (key === '') return t('usage.unknownModel');
    return group === 'session' ? (sessions.get(key)?.view.projectName ?? key) : key;
  };
  return (
    <section className="scrolls" tabIndex={0} aria-label={t('usage.table')}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t(`usage.by.${group}`)}</th>
            <th scope="col">{t('usage.cost')}</th>
            <th scope="col">{t('usage.turns')}</th>
            <th scope="col">{t('usage.input')}</th>
            <th scope="col">{t('usage.output')}</th>
            <th scope="col">{t('usage.cache')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">{nameOf(row.key)}</th>
              <td>{dollars(row.cost)}</td>
              <td>{row.turns}</td>
              <td>{tokens(row.input)}</td>
              <td>{tokens(row.output)}</td>
              <td>{tokens(row.cacheRead)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
