import { type ReactNode, useEffect, useEffectEvent, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { seenTurns, watchSeen } from '../link/seen.js';
import { isAway } from '../store/console-state.js';
import { inboxOf, type Waiting } from '../store/inbox.js';
import { t } from '../strings/t.js';
import { useStore } from '../views/use-console.js';
import { EndedCard } from './ended-card.js';
import { PermissionCard } from './permission-card.js';

/** What waits over all sessions. One of it is open, so that the sessions are seen below and each answer has one button. */
export function Inbox() {
  const waiting = useWaiting();
  const isKnown = useStore((state) => state.connection.kind === 'open' || !isAway(state));
  const [chosen, choose] = useState<string>();
  const open = (waiting.find(({ key }) => key === chosen) ?? waiting[0])?.key;
  return (
    <section aria-labelledby="inbox">
      <h2 id="inbox">{t('home.waiting')}</h2>
      {waiting.length === 0 && <p className="quiet">{t(isKnown ? 'home.nothingWaits' : 'home.waitingUnknown')}</p>}
      <ul className="cards">
        {waiting.map((one) => (
          <Entry
            key={one.key}
            title={titleOf(one)}
            of={one.project}
            isOpen={one.key === open}
            isChosen={one.key === chosen}
            onChoose={() => choose(one.key)}
          >
            <Card waiting={one} />
          </Entry>
        ))}
      </ul>
    </section>
  );
}

function useWaiting(): readonly Waiting[] {
  const permissions = useStore((state) => state.permissions);
  const sessions = useStore((state) => state.sessions);
  const seen = useSyncExternalStore(watchSeen, seenTurns);
  return useMemo(() => inboxOf({ permissions, sessions }, seen), [permissions, sessions, seen]);
}

const titleOf = (one: Waiting): string =>
  'request' in one ? (one.request.title ?? one.request.prompt) : t(`inbox.${one.kind}`);

function Card({ waiting }: { waiting: Waiting }) {
  if ('request' in waiting) return <PermissionCard request={waiting.request} of={waiting.project} />;
  return <EndedCard ended={waiting} title={titleOf(waiting)} />;
}

interface EntryProps {
  title: string;
  of: string;
  isOpen: boolean;
  /** The person opened it, or is in it. */
  isChosen: boolean;
  onChoose: () => void;
  children: ReactNode;
}

/** Folded to a line until it is opened. What was typed in it stays when it is folded again. */
function Entry({ title, of, isOpen, isChosen, onChoose, children }: EntryProps) {
  const [wasOpen, setWasOpen] = useState(isOpen);
  if (isOpen && !wasOpen) setWasOpen(true);
  const entry = useRef<HTMLLIElement>(null);
  const isUnfolding = useRef(false);
  const unfold = () => {
    isUnfolding.current = true;
    onChoose();
  };
  // Whatever comes, the card that somebody is in stays open.
  const onFocusIn = useEffectEvent(() => {
    if (isOpen && !isChosen) onChoose();
  });
  useEffect(() => {
    const { current } = entry;
    const listener = () => onFocusIn();
    current?.addEventListener('focusin', listener);
    return () => current?.removeEventListener('focusin', listener);
  }, []);
  useEffect(() => {
    if (!isOpen || !isUnfolding.current) return;
    isUnfolding.current = false;
    entry.current?.querySelector<HTMLElement>('[data-open] [data-choice]')?.focus();
  }, [isOpen]);
  return (
    <li ref={entry}>
      {!isOpen && (
        <button type="button" className="folded" data-choice="" aria-expanded={false} onClick={unfold}>
          <span className="quiet">{of}</span> <strong dir="auto">{title}</strong>
        </button>
      )}
      {(isOpen || wasOpen) && (
        <div data-open="" hidden={!isOpen}>
          {children}
        </div>
      )}
    </li>
  );
}
