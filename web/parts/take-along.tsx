import { useLocation } from 'wouter';
import { TO_NEW } from '../link/handed.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { moveImages } from './kept-images.js';
import { draftKey, keepText, NEW_DIRECTORY, NEW_PROMPT } from './kept-text.js';

/** Begins another session in place of one that takes nothing more, with what was written to it. */
export function TakeAlong({ sessionId }: { sessionId: string }) {
  const { store } = useConsole();
  const [, navigate] = useLocation();
  const take = async () => {
    const { sessions, kept } = store.get();
    const view = sessions.get(sessionId)?.view ?? kept?.sessions.find((one) => one.sessionId === sessionId);
    if (view) keepText(NEW_DIRECTORY, view.workingDirectory);
    const written = [NEW_PROMPT, draftKey(sessionId)].map((key) => localStorage.getItem(key) ?? '');
    // Only then: a browser without room for both keeps the one that it has.
    if (keepText(NEW_PROMPT, written.filter((text) => text !== '').join('\n\n'))) keepText(draftKey(sessionId), '');
    await moveImages(sessionId, TO_NEW);
    navigate('/new');
  };
  return (
    <button type="button" onClick={() => void take()}>
      {t('session.takeAlong')}
    </button>
  );
}
