import { useContext } from 'react';
import { t } from '../strings/t.js';
import { CopyButton } from './copy-button.js';
import { SessionId } from './session-id.js';

export interface MessageActionsProps {
  /** Of the message. */
  id: string;
  /** As Markdown. */
  text: string;
}

/** Where a message is, for other people of this daemon and for oneself. */
export const hrefOf = (sessionId: string, id: string): string => `/s/${sessionId}/${encodeURIComponent(id)}`;

export function MessageActions({ id, text }: MessageActionsProps) {
  const sessionId = useContext(SessionId);
  const address = () => new URL(`/#${hrefOf(sessionId, id)}`, location.href).href;
  return (
    <div className="row message-actions">
      <CopyButton label={t('copy.message')} text={() => text} />
      <CopyButton label={t('copy.link')} text={address} />
    </div>
  );
}
