import { useEffect, useEffectEvent, useMemo, useState, useSyncExternalStore } from 'react';
import { isSeen } from '../link/sight.js';
import { type Away, type Mark, type Missed, markOf, missedIn } from '../store/missed.js';
import { lastKey, type Transcript } from '../store/transcript.js';
import { useStore } from '../views/use-console.js';
import { keepAmong, readKept } from './kept-record.js';

const KEY = 'left-at';
const MOST = 50;

function watchSight(listener: () => void): () => void {
  document.addEventListener('visibilitychange', listener);
  return () => document.removeEventListener('visibilitychange', listener);
}

export interface MissedNews {
  /** Undefined where nothing was missed, or it was dismissed. */
  missed: Missed | undefined;
  dismiss: () => void;
}

/** What came while the page was hidden, without a connection, closed, or showed something else. */
export function useMissed(sessionId: string, { items, phase, replayed }: Transcript): MissedNews {
  const isConnected = useStore(({ connection }) => connection.kind === 'open');
  const isLookedAt = useSyncExternalStore(watchSight, isSeen);
  const isHere = isConnected && isLookedAt && phase === 'live';
  const permissions = useStore((state) => state.permissions);
  const [away, setAway] = useState<Away>();
  const requests = useMemo(
    () => [...permissions.values()].filter((one) => one.sessionId === sessionId),
    [permissions, sessionId],
  );
  const missed = useMemo(
    () => away && missedIn({ items, replayed, requests }, away),
    [away, items, replayed, requests],
  );
  const arrive = useEffectEvent(() => {
    const mark = readKept<Mark>(KEY, sessionId);
    setAway(mark && { mark, upTo: lastKey(items) });
  });
  const leave = useEffectEvent(() => {
    // What was missed and not looked at is still missed.
    const value = missed && away ? away.mark : markOf(items, requests);
    keepAmong(KEY, { id: sessionId, value, most: MOST });
  });
  useEffect(() => {
    if (!isHere) return undefined;
    arrive();
    // A page that ends tells its parts nothing.
    const onEnd = () => leave();
    addEventListener('pagehide', onEnd);
    return () => {
      removeEventListener('pagehide', onEnd);
      leave();
    };
  }, [isHere]);
  return { missed, dismiss: () => setAway(undefined) };
}
