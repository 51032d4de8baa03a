import { lazy, useState } from 'react';
import type { Item } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { Lazily } from './lazy-place.js';
import { MoreButton } from './more-button.js';

const RewindPanel = lazy(async () => ({ default: (await import('./rewind-panel.js')).RewindPanel }));

/** What a person has said, and the way back to before it. */
export function HumanMessage({ item }: { item: Extract<Item, { kind: 'human' }> }) {
  const [isOpen, setOpen] = useState(false);
  const { key, text, images, promptId } = item;
  return (
    <>
      <div className="said" data-message={key}>
        {promptId !== undefined && (
          <button
            type="button"
            className="icon"
            aria-label={t('rewind.title')}
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            ↶
          </button>
        )}
        <MoreButton id={key} text={text} promptId={promptId} />
        <article className="human" aria-label={t('session.you')}>
          <p dir="auto">{text}</p>
          {images > 0 && <p className="quiet">{t('session.images', { count: images })}</p>}
        </article>
      </div>
      {isOpen && promptId !== undefined && (
        <Lazily fallback={<p className="quiet">{t('settings.asking')}</p>}>
          <RewindPanel promptId={promptId} onEnd={() => setOpen(false)} />
        </Lazily>
      )}
    </>
  );
}
