import { useMemo, useState, useSyncExternalStore } from 'react';
import { seenTurns, watchSeen } from '../link/seen.js';
import { isAway } from '../store/console-state.js';
import { inboxOf, type Waiting } from '../store/inbox.js';
import { t } from '../strings/t.js';
import { useStore } from '../views/use-console.js';
import { EndedCard } from './ended-card.js';
import { FoldedCard } from './folded-card.js';
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
          <FoldedCard
            key={one.key}
            title={titleOf(one)}
            of={one.project}
            isOpen={one.key === open}
            isChosen={one.key === chosen}
            onChoose={() => choose(one.key)}
          >
            <Card waiting={one} />
          </FoldedCard>
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
