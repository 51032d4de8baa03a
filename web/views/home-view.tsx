import { Link as Anchor, useLocation } from 'wouter';
import { DaemonSwitch } from '../parts/daemon-switch.js';
import { Inbox } from '../parts/inbox.js';
import { KeptNotice } from '../parts/kept-notice.js';
import { LanguageChoice } from '../parts/language-choice.js';
import { NotifyButton } from '../parts/notify-button.js';
import type { ConsoleSession } from '../store/console-state.js';
import type { Kept } from '../store/kept.js';
import { t } from '../strings/t.js';
import { PlacesNav } from './places.js';
import { useConsole, useStore } from './use-console.js';
import { useKeptList } from './use-kept.js';

/** What waits, then all sessions. */
export function HomeView() {
  const [, navigate] = useLocation();
  return (
    <main className="home">
      <header>
        <h1>{t('app.name')}</h1>
        <button type="button" className="primary" onClick={() => navigate('/new')}>
          {t('home.new')}
        </button>
      </header>
      <DaemonSwitch />
      <PlacesNav />
      <Inbox />
      <Sessions />
      <NotifyButton />
      <LanguageChoice />
    </main>
  );
}

const lastActivityOf = ({ view, status }: ConsoleSession): string => status?.lastActivity ?? view.lastActivity;

function Sessions() {
  const { link } = useConsole();
  const list = useStore((state) => state.list);
  const kept = useKeptList();
  const sessions = useStore((state) => state.sessions);
  const shown = [...sessions.values()].sort((a, b) => lastActivityOf(b).localeCompare(lastActivityOf(a)));
  return (
    <section aria-labelledby="sessions">
      <h2 id="sessions">{t('home.sessions')}</h2>
      {list.kind === 'failed' && (
        <p role="alert" className="refusal">
          {t('home.failed', { reason: list.because })}{' '}
          <button type="button" onClick={() => void link.refreshList()}>
            {t('home.retry')}
          </button>
        </p>
      )}
      {kept && <KeptNotice at={kept.at} />}
      {kept && <KeptSessions kept={kept} />}
      {!kept && list.kind === 'loading' && <p className="quiet">{t('home.loading')}</p>}
      {list.kind === 'loaded' && shown.length === 0 && <p className="quiet">{t('home.none')}</p>}
      <ul className="sessions">
        {shown.map((session) => (
          <SessionRow key={session.view.sessionId} session={session} />
        ))}
      </ul>
    </section>
  );
}

/** Without their states, which have an end. */
function KeptSessions({ kept }: { kept: Kept }) {
  return (
    <ul className="sessions">
      {kept.sessions.map(({ sessionId, projectName, sessionName }) => (
        <li key={sessionId} className="session">
          <span className="dot" aria-hidden="true" />
          <Anchor href={`/s/${sessionId}`} className="project" data-choice="">
            {projectName}
          </Anchor>
          <span className="quiet">{sessionName}</span>
        </li>
      ))}
    </ul>
  );
}

function SessionRow({ session }: { session: ConsoleSession }) {
  const { view, status } = session;
  const state = status?.status ?? view.status;
  const name = status?.sessionName ?? view.sessionName;
  return (
    <li className="session">
      <span className={`dot ${state}`} aria-hidden="true" />
      <Anchor href={`/s/${view.sessionId}`} className="project" data-choice="">
        {view.projectName}
      </Anchor>
      <span className="quiet">{name}</span>
      <span className="state">{t(`status.${state}`)}</span>
    </li>
  );
}
