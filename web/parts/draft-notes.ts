import { useEffect, useEffectEvent } from 'react';

const added = new EventTarget();

/** Puts a text below what is written in the message of a session that is shown. Nothing is sent. */
export function addToDraft(sessionId: string, text: string): void {
  added.dispatchEvent(new CustomEvent(sessionId, { detail: text }));
}

/** For the owner of the message. */
export function useAdded(sessionId: string, onAdd: (text: string) => void): void {
  const take = useEffectEvent(onAdd);
  useEffect(() => {
    const listener = (event: Event) => {
      if (event instanceof CustomEvent) take(String(event.detail));
    };
    added.addEventListener(sessionId, listener);
    return () => added.removeEventListener(sessionId, listener);
  }, [sessionId]);
}
