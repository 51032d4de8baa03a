import { lazy, useContext, useState } from 'react';
import { Link as Anchor } from 'wouter';
import { filesHref } from '../store/files.js';
import type { Item } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { Lazily } from './lazy-place.js';
import { NotedDiff } from './noted-diff.js';
import { SessionId } from './session-id.js';

const UndoPanel = lazy(async () => ({ default: (await import('./rewind-panel.js')).UndoPanel }));

type DiffItem = Extract<Item, { kind: 'diff' }>;

/** Files that are named. */
const NAMED = 20;

/** What a turn has changed, and the way to have it back as it was. */
export function TurnDiff({ item: { data } }: { item: DiffItem }) {
  const [isOpen, setOpen] = useState(false);
  const { files, patch, promptId } = data;
  return (
    <details className="changes">
      <summary>{t('session.changed', { count: files.length })}</summary>
      <Files files={files} />
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

/** With their addresses, where they are in the directory of the session. */
function Files({ files }: Pick<DiffItem['data'], 'files'>) {
  const sessionId = useContext(SessionId);
  return (
    <ul className="changed" dir="ltr">
      {files.slice(0, NAMED).map(({ path, additions, deletions }) => (
        <li key={path}>
          {path.startsWith('/') ? path : <Anchor href={filesHref(sessionId, path)}>{path}</Anchor>}
          <span className="quiet">
            +{additions} −{deletions}
          </span>
        </li>
      ))}
      {files.length > NAMED && <li className="quiet">… {files.length - NAMED}</li>}
    </ul>
  );
}
