import { lazy, useState } from 'react';
import type { Item } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { Lazily } from './lazy-place.js';
import { NotedDiff } from './noted-diff.js';

const UndoPanel = lazy(async () => ({ default: (await import('./rewind-panel.js')).UndoPanel }));

/** What a turn has changed, and the way to have it back as it was. */
export function TurnDiff({ item: { data } }: { item: Extract<Item, { kind: 'diff' }> }) {
  const [isOpen, setOpen] = useState(false);
  const { files, patch, promptId } = data;
  return (
    <details className="changes">
      <summary>{t('session.changed', { count: files.length })}</summary>
      {patch !== undefined && <NotedDiff patch={patch} />}
      {promptId !== undefined && (
        <button
          type="button"
          aria-label={t('undo.title')}
          aria-expanded={isOpen}
          disabled={isOpen}
          onClick={() => setOpen(true)}
        >
          {t('undo.button')}
        </button>
      )}
      {isOpen && promptId !== undefined && (
        <Lazily fallback={<p className="quiet">{t('settings.asking')}</p>}>
          <UndoPanel promptId={promptId} onEnd={() => setOpen(false)} />
        </Lazily>
      )}
    </details>
  );
}
