import { useContext } from 'react';
import { resumeConversation } from '../link/fork.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { Refusal } from './refusal.js';
import { SessionId } from './session-id.js';
import { useAction } from './use-action.js';

/** Where another conversation begins: the way back to the one before. */
export function BranchNotice({ before }: { before: string }) {
  const parts = useConsole();
  const sessionId = useContext(SessionId);
  const { isBusy, refusal, run } = useAction();
  return (
    <div className="notice quiet">
      <p>{t('fork.begins')}</p>
      <button
        type="button"
        disabled={isBusy}
        onClick={() => void run(() => resumeConversation(parts, sessionId, before))}
      >
        {t('fork.back')}
      </button>
      <Refusal reason={refusal} />
    </div>
  );
}
