import { useEffect, useEffectEvent } from 'react';
import { draftKey, keepText } from './kept-text.js';

const added = new EventTarget();

/** A text below another. */
export const withNote = (draft: string, note: string): string =>
  [draft.trimEnd(), note].filter((text) => text !== '').join('\n\n');

/** Puts a text below what is written in the message of a session, and tells whether it is there. Nothing is sent. */
export function addToDraft(sessionId: string, text: string): boolean {
  const isOwnerThere = !added.dispatchEvent(new CustomEvent(sessionId, { detail: text, cancelable: true }));
  // In another view than that of the session, the message is only kept.
  if (isOwnerThere) return true;
  const key = draftKey(sessionId);
  return keepText(key, withNote(localStorage.getItem(key) ?? '', text));
}

/** For the owner of the message. */
export function useAdded(sessionId: string, onAdd: (text: string) => void): void {
  const take = useEffectEvent(onAdd);
  useEffect(() => {
    const listener = (event: Event) => {
      if (!(event instanceof CustomEvent)) return;
      event.preventDefault();
      take(String(event.detail));
    };
    added.addEventListener(sessionId, listener);
    return () => added.removeEventListener(sessionId, listener);
  }, [sessionId]);
}
