import { lazy, useContext, useState } from 'react';
import { t } from '../strings/t.js';
import { Diff, type DiffProps } from './diff.js';
import { Lazily } from './lazy-place.js';
import { SessionId } from './session-id.js';

const DiffNotes = lazy(async () => ({ default: (await import('./diff-notes.js')).DiffNotes }));

/** A diff whose lines can be commented on, for the next message. */
export function NotedDiff({ patch, path = '' }: DiffProps) {
  const sessionId = useContext(SessionId);
  const [isNoting, setNoting] = useState(false);
  const diff = <Diff patch={patch} path={path} />;
  if (sessionId === '') return diff;
  return (
    <div className="notable">
      {isNoting ? (
        <Lazily fallback={diff}>
          <DiffNotes sessionId={sessionId} patch={patch} path={path} />
        </Lazily>
      ) : (
        diff
      )}
      <button type="button" aria-pressed={isNoting} onClick={() => setNoting(!isNoting)}>
        {t('note.lines')}
      </button>
    </div>
  );
}
