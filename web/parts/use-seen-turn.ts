import { useEffect } from 'react';
import { markSeen } from '../link/seen.js';
import { isSeen } from '../link/sight.js';

/** The end of a turn is no news any more when its session is looked at. */
export function useSeenTurn(sessionId: string, endedAt: string | undefined): void {
  useEffect(() => {
    if (endedAt === undefined) return undefined;
    const see = () => {
      if (isSeen()) markSeen(sessionId, endedAt);
    };
    see();
    document.addEventListener('visibilitychange', see);
    return () => document.removeEventListener('visibilitychange', see);
  }, [sessionId, endedAt]);
}
