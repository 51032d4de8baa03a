import { useEffect, useEffectEvent } from 'react';
import { HANDED, type Handed, takeHanded } from '../link/handed.js';

/** Gives what was handed over from outside of the page to what is written there, now and while it is shown. */
export function useHanded(to: string, onHanded: (handed: Handed) => void): void {
  const give = useEffectEvent(onHanded);
  useEffect(() => {
    const take = async () => {
      const found = await takeHanded(to);
      if (found) give(found);
    };
    const channel = new BroadcastChannel(HANDED);
    channel.addEventListener('message', ({ data }) => {
      if (data === to) take().catch(console.warn);
    });
    // Without storage nothing was handed over.
    take().catch(console.warn);
    return () => channel.close();
  }, [to]);
}
