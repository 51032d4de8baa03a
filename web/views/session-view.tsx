import '../session.css';
import { lazy, useEffect, useState } from 'react';
import { Link as Anchor } from 'wouter';
import { Composer } from '../parts/composer.js';
import { decoded } from '../parts/format.js';
import { KeptNotice } from '../parts/kept-notice.js';
import { Lazily } from '../parts/lazy-place.js';
import { SessionBar } from '../parts/session-bar.js';
import { SessionId } from '../parts/session-id.js';
import { SessionPanels } from '../parts/session-panels.js';
import { SessionRequests } from '../parts/session-requests.js';
import { TakeAlong } from '../parts/take-along.js';
import { TranscriptList } from '../parts/transcript-list.js';
import { useSeenTurn } from '../parts/use-seen-turn.js';
import type { ConsoleSession, Status } from '../store/console-state.js';
import { filesHref } from '../store/files.js';
import { settingsIn } from '../store/session-details.js';
import type { Transcript } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from './use-console.js';
import { transcriptOf, useKept } from './use-kept.js';

function Loading({ transcript }: { transcript: Transcript | undefined }) {
  if (transcript !== undefined && transcript.phase !== 'loading') return undefined;
  return <p className="quiet">{t('session.loading')}</p>;
}

const SessionSearch = lazy(async () => ({ default: (await import('../parts/session-search.js')).SessionSearch }));

export interface SessionViewProps {
  sessionId: string;
  /** The message that the address names. */
  message?: string | undefined;
}

function State({ status }: { status: Status['status'] | undefined }) {
  if (status === undefined) return undefined;
  return (
    <span className="state" role="status">
      <span className={`dot ${status}`} aria-hidden="true" /> {t(`status.${status}`)}
    </span>
  );
}

function SessionName({ session }: { session: ConsoleSession | undefined }) {
  const name = session?.status?.sessionName ?? session?.view.sessionName;
  return name === undefined || name === session?.view.projectName ? undefined : (
    <span className="quiet name">{name}</span>
  );
}

export function SessionView({ sessionId, message }: SessionViewProps) {
  const { link } = useConsole();
  const [isSearching, setSearching] = useState(false);
  useEffect(() => void link.open(sessionId), [link, sessionId]);
  const session = useStore((state) => state.sessions.get(sessionId));
  useSeenTurn(sessionId, session?.turn?.at);
  const chosen = useStore((state) => state.settings.get(sessionId));
  const settings = chosen ?? (session && settingsIn(session.view));
  const { name } = useKept(sessionId);
  const status = session?.status?.status ?? session?.view.status;
  return (
    <main className="conversation">
      <header>
        <Anchor href="/" aria-label={t('session.back')} className="back">
          ‹
        </Anchor>
        <h1>
          {session?.view.projectName ?? name} <SessionName session={session} />
        </h1>
        <State status={status} />
        <span className="icons">
          <Anchor href={filesHref(sessionId)} className="icon" aria-label={t('files.title')}>
            ▤
          </Anchor>
          <button
            type="button"
            className="icon"
            aria-label={t('session.search')}
            aria-expanded={isSearching}
            onClick={() => setSearching(!isSearching)}
          >
            ⌕
          </button>
        </span>
      </header>
      {isSearching && (
        <Lazily>
          <SessionSearch sessionId={sessionId} />
        </Lazily>
      )}
      <SessionBar sessionId={sessionId} settings={settings} status={status} />
      <Conversation sessionId={sessionId} message={message} />
      <SessionRequests sessionId={sessionId} />
      <SessionPanels sessionId={sessionId} settings={settings} />
      <Composer sessionId={sessionId} isWorking={status === 'working' || status === 'waiting'} />
    </main>
  );
}

function Failed({ sessionId, transcript: { failure = '', isGone } }: { sessionId: string; transcript: Transcript }) {
  const { link } = useConsole();
  return (
    <p role="alert" className="refusal">
      {isGone ? t('session.gone') : t('session.failed', { reason: failure })}{' '}
      {isGone ? (
        <TakeAlong sessionId={sessionId} />
      ) : (
        <button type="button" onClick={() => void link.open(sessionId)}>
          {t('home.retry')}
        </button>
      )}
    </p>
  );
}

/** What was said, as it is or as it was kept; or why it is not there. */
function Conversation({ sessionId, message }: SessionViewProps) {
  const { link } = useConsole();
  const transcript = useStore((state) => state.transcripts.get(sessionId));
  const { kept } = useKept(sessionId);
  const shown = kept ? transcriptOf(kept) : transcript;
  return (
    <>
      {kept && <KeptNotice at={kept.at} />}
      {!kept && <Loading transcript={transcript} />}
      {transcript?.phase === 'failed' && <Failed sessionId={sessionId} transcript={transcript} />}
      {shown && (
        <SessionId value={sessionId}>
          <TranscriptList
            transcript={shown}
            target={message === undefined ? undefined : decoded(message)}
            onOlder={() => link.loadOlder(sessionId)}
          />
        </SessionId>
      )}
    </>
  );
}
