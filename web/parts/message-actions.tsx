import { useContext } from 'react';
import { forkBefore } from '../link/fork.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { CopyButton } from './copy-button.js';
import { addToDraft } from './draft-notes.js';
import { Refusal } from './refusal.js';
import { SessionId } from './session-id.js';
import { useAction } from './use-action.js';

export interface MessageActionsProps {
  /** Of the message. */
  id: string;
  /** As Markdown. */
  text: string;
  /** Of a person's message that a turn began with. */
  promptId?: string | undefined;
}

/** Where a message is, for other people of this daemon and for oneself. */
export const hrefOf = (sessionId: string, id: string): string => `/s/${sessionId}/${encodeURIComponent(id)}`;

export function MessageActions({ id, text, promptId }: MessageActionsProps) {
  const sessionId = useContext(SessionId);
  const address = () => new URL(`/#${hrefOf(sessionId, id)}`, location.href).href;
  return (
    <div className="row message-actions">
      <CopyButton label={t('copy.message')} text={() => text} />
      <CopyButton label={t('copy.link')} text={address} />
      {promptId !== undefined && <ForkButton promptId={promptId} text={text} />}
    </div>
  );
}

/** Another conversation from before the message, which can be sent again in other words. */
function ForkButton({ promptId, text }: { promptId: string; text: string }) {
  const parts = useConsole();
  const sessionId = useContext(SessionId);
  const { isBusy, refusal, run } = useAction();
  const fork = async () => {
    if (await run(() => forkBefore(parts, sessionId, promptId))) addToDraft(sessionId, text);
  };
  return (
    <span>
      <button type="button" disabled={isBusy} onClick={() => void fork()}>
        {t('fork.here')}
      </button>
      <Refusal reason={refusal} />
    </span>
  );
}
