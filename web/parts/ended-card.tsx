import { type FormEvent, type KeyboardEvent, useId } from 'react';
import { Link as Anchor, useLocation } from 'wouter';
import { markSeen } from '../link/seen.js';
import type { Waiting } from '../store/inbox.js';
import { t } from '../strings/t.js';
import { useStore } from '../views/use-console.js';
import { ImageBar } from './image-bar.js';
import { LimitBanner } from './limit-banner.js';
import { Moment } from './moment.js';
import { Refusal } from './refusal.js';
import { singleKey } from './single-keys.js';
import { useDraft } from './use-draft.js';

export interface EndedCardProps {
  ended: Extract<Waiting, { turn: unknown }>;
  title: string;
}

/** A turn that has ended since the person looked: what Claude said last, and the next prompt. */
export function EndedCard({ ended, title }: EndedCardProps) {
  const { sessionId, project, kind, turn } = ended;
  const [, navigate] = useLocation();
  const settings = useStore((state) => state.settings.get(sessionId));
  const see = () => markSeen(sessionId, turn.at);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const key = event.target === event.currentTarget ? singleKey(event.nativeEvent) : undefined;
    if (key === 'Enter') navigate(`/s/${sessionId}`);
    else if (key === 'd') see();
  };
  return (
    <article className="card" aria-label={title} tabIndex={-1} data-choice="" onKeyDown={onKeyDown}>
      <p className="quiet">{project}</p>
      <h3>{title}</h3>
      <p className="quiet">
        <Moment at={turn.at} /> {kind === 'failed' && t('session.failedTurn', { subtype: turn.subtype })}
      </p>
      {turn.words !== undefined && <p dir="auto">{turn.words}</p>}
      {kind === 'limit' && <LimitBanner sessionId={sessionId} settings={settings} />}
      <Reply sessionId={sessionId} />
      <p className="row">
        <Anchor href={`/s/${sessionId}`} className="button">
          {t('inbox.open')}
        </Anchor>
        <button type="button" onClick={see}>
          {t('inbox.seen')}
        </button>
      </p>
    </article>
  );
}

/** The draft of the session, in one line: what is begun here can go on there. */
function Reply({ sessionId }: { sessionId: string }) {
  const id = useId();
  const { text, images, write, send, canSend, refusal } = useDraft(sessionId);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void send('queue');
  };
  return (
    <form className="reply" onSubmit={onSubmit}>
      <label htmlFor={id}>{t('inbox.reply')}</label>
      <div className="row">
        <input id={id} value={text} dir="auto" autoComplete="off" onChange={({ target }) => write(target.value)} />
        <button type="submit" className="primary" disabled={!canSend}>
          {t('inbox.send')}
        </button>
      </div>
      <ImageBar images={images} />
      <Refusal reason={refusal === undefined ? undefined : t('session.notSent', { reason: refusal })} />
    </form>
  );
}
