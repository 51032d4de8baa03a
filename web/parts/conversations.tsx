import { useState } from 'react';
import { listConversations } from '../../client/rest/index.js';
import type { Conversations as Listed } from '../../protocol/conversations.js';
import { forkConversation, resumeConversation } from '../link/fork.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { Loaded } from './loaded.js';
import { Moment } from './moment.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';
import { useLoad } from './use-load.js';

/** The most that are listed. */
const MOST = 20;

/** Branches off the conversation of a session, and leads to the others of its directory. */
export function Conversations({ sessionId }: { sessionId: string }) {
  const parts = useConsole();
  const { isBusy, refusal, run } = useAction();
  const [isOpen, setOpen] = useState(false);
  const [said, setSaid] = useState('');
  const act = async (action: () => Promise<unknown>, words: string) => {
    setSaid('');
    if (await run(action)) setSaid(words);
  };
  return (
    <section aria-label={t('fork.title')}>
      <button
        type="button"
        disabled={isBusy}
        onClick={() => void act(() => forkConversation(parts, sessionId), t('fork.done'))}
      >
        {t('fork.do')}
      </button>
      <p role="status">{said}</p>
      <Refusal reason={refusal} />
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t('fork.others')}</summary>
        {isOpen && (
          <Others
            key={said}
            sessionId={sessionId}
            isBusy={isBusy}
            onChoose={(id) => void act(() => resumeConversation(parts, sessionId, id), t('fork.resumed'))}
          />
        )}
      </details>
    </section>
  );
}

interface OthersProps {
  sessionId: string;
  isBusy: boolean;
  onChoose: (claudeSessionId: string) => void;
}

function Others({ sessionId, isBusy, onChoose }: OthersProps) {
  const workingDirectory = useStore((state) => state.sessions.get(sessionId)?.view.workingDirectory);
  const listed = useLoad((rest) => listConversations(rest, { query: { workingDirectory, limit: MOST } }));
  const others = ({ conversations }: Listed) => conversations.filter((one) => one.sessionId !== sessionId);
  return (
    <Loaded of={listed}>
      {(all: Listed) => (
        <>
          {others(all).length === 0 && <p className="quiet">{t('fork.none')}</p>}
          <ul className="conversations">
            {others(all).map(({ claudeSessionId, title, lastModified }) => (
              <li key={claudeSessionId}>
                <button type="button" disabled={isBusy} onClick={() => onChoose(claudeSessionId)}>
                  <span dir="auto">{title}</span>
                  <span className="quiet">
                    <Moment at={lastModified} />
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Loaded>
  );
}
