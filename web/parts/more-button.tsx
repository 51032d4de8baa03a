import { lazy, useState } from 'react';
import { t } from '../strings/t.js';
import { Lazily } from './lazy-place.js';
import type { MessageActionsProps } from './message-actions.js';

const MessageActions = lazy(async () => ({ default: (await import('./message-actions.js')).MessageActions }));

/** Opens what can be done with a message. */
export function MoreButton(props: MessageActionsProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="icon"
        aria-label={t('message.more')}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        ⋯
      </button>
      {isOpen && (
        <Lazily>
          <MessageActions {...props} />
        </Lazily>
      )}
    </>
  );
}
