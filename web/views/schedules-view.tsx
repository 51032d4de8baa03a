import { useState } from 'react';
import { Link as Anchor } from 'wouter';
import {
  changeSchedule,
  deleteSchedule,
  listScheduleRuns,
  listSchedules,
  runSchedule,
} from '../../client/rest/index.js';
import type { ScheduleRunView, ScheduleView } from '../../protocol/schedules.js';
import { CardList } from '../parts/card-list.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { Refusal } from '../parts/refusal.js';
import { ScheduleForm } from '../parts/schedule-form.js';
import { SureButton } from '../parts/sure-button.js';
import { ToggleButton } from '../parts/toggle-button.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { t } from '../strings/t.js';
import { useConsole } from './use-console.js';

/** The most that one request lists. */
const MAX_PAGE = 200;
const RUNS = 20;

/** Prompts that the daemon sends by itself, and what became of them. */
export function SchedulesView() {
  const schedules = useLoad((rest) => listSchedules(rest, { query: { limit: MAX_PAGE } }));
  return (
    <Page title={t('schedules.title')}>
      <ScheduleForm onAdded={schedules.again} />
      <section aria-labelledby="schedules">
        <h2 id="schedules">{t('schedules.list')}</h2>
        <Loaded of={schedules}>
          {({ schedules: listed }) => (
            <CardList items={listed} keyOf={(schedule) => schedule.id} none={t('schedules.none')}>
              {(schedule) => <Schedule schedule={schedule} onChanged={schedules.again} />}
            </CardList>
          )}
        </Loaded>
      </section>
    </Page>
  );
}

interface ScheduleProps {
  schedule: ScheduleView;
  onChanged: () => Promise<void>;
}

const LONGEST_NAME = 60;
const nameOf = ({ name, prompt }: ScheduleView): string => name ?? prompt.slice(0, LONGEST_NAME);

function Schedule({ schedule, onChanged }: ScheduleProps) {
  const [hasHistory, setHistory] = useState(false);
  const { id, workingDirectory, sessionId, at, cron, timeZone, nextAt, enabled, lastRun } = schedule;
  return (
    <>
      <h3 dir="auto">
        {nameOf(schedule)} {!enabled && <span className="tag">{t('toggle.isOff')}</span>}
      </h3>
      <p className="quiet path">{workingDirectory ?? sessionId}</p>
      <dl>
        <dt>{t('schedules.when')}</dt>
        <dd>{at === undefined ? <code>{[cron, timeZone].filter(Boolean).join(' · ')}</code> : <Moment at={at} />}</dd>
        {nextAt !== undefined && (
          <>
            <dt>{t('schedules.next')}</dt>
            <dd>
              <Moment at={nextAt} />
            </dd>
          </>
        )}
        {lastRun && (
          <>
            <dt>{t('schedules.last')}</dt>
            <dd>
              <Run run={lastRun} />
            </dd>
          </>
        )}
      </dl>
      {hasHistory && <History key={lastRun?.id} id={id} />}
      <Actions
        schedule={schedule}
        onChanged={onChanged}
        hasHistory={hasHistory}
        onHistory={() => setHistory(!hasHistory)}
      />
    </>
  );
}

interface ActionsProps extends ScheduleProps {
  hasHistory: boolean;
  onHistory: () => void;
}

function Actions({ schedule, onChanged, hasHistory, onHistory }: ActionsProps) {
  const { link } = useConsole();
  const action = useAction();
  const { id, enabled } = schedule;
  const name = nameOf(schedule);
  const params = { id };
  const change = (ask: () => Promise<unknown>) => void action.run(() => ask().then(onChanged));
  return (
    <>
      <Refusal reason={action.refusal} />
      <div className="row">
        <button
          type="button"
          aria-label={t('schedules.runOf', { name })}
          disabled={action.isBusy}
          onClick={() => change(() => runSchedule(link.rest, { params }))}
        >
          {t('schedules.run')}
        </button>
        <ToggleButton
          name={name}
          isOn={enabled}
          isBusy={action.isBusy}
          onToggle={() => change(() => changeSchedule(link.rest, { params, body: { enabled: !enabled } }))}
        />
        <button
          type="button"
          aria-label={t('schedules.historyOf', { name })}
          aria-expanded={hasHistory}
          onClick={onHistory}
        >
          {t('schedules.history')}
        </button>
        <SureButton
          label={t('schedules.removeOf', { name })}
          question={t('schedules.removeSure')}
          isBusy={action.isBusy}
          onSure={() => change(() => deleteSchedule(link.rest, { params }))}
        >
          {t('budgets.remove')}
        </SureButton>
      </div>
    </>
  );
}

function History({ id }: { id: string }) {
  const runs = useLoad((rest) => listScheduleRuns(rest, { params: { id }, query: { limit: RUNS } }));
  return (
    <Loaded of={runs}>
      {({ runs: listed }) => (
        <>
          {listed.length === 0 && <p className="quiet">{t('schedules.never')}</p>}
          <ol>
            {listed.map((run) => (
              <li key={run.id}>
                <Run run={run} />
              </li>
            ))}
          </ol>
        </>
      )}
    </Loaded>
  );
}

function Run({ run: { dueAt, state, manual, sessionId, error } }: { run: ScheduleRunView }) {
  const words = t(`schedules.state.${state}`);
  return (
    <>
      <Moment at={dueAt} />: {sessionId === undefined ? words : <Anchor href={`/s/${sessionId}`}>{words}</Anchor>}
      {manual === true && ` ${t('schedules.manual')}`}
      {error && <span className="refusal"> {error.message}</span>}
    </>
  );
}
