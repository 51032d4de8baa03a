import { useState } from 'react';
import { readSessionDiff } from '../../client/rest/index.js';
import type { SessionDiff } from '../../protocol/files.js';
import { t } from '../strings/t.js';
import { Loaded } from './loaded.js';
import { NotedDiff } from './noted-diff.js';
import { SessionId } from './session-id.js';
import { useLoad } from './use-load.js';

/** What the session has changed, looked for once it is opened. */
export function SessionChanges({ sessionId }: { sessionId: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="item" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('files.changes')}</summary>
      {isOpen && (
        <SessionId value={sessionId}>
          <Changes sessionId={sessionId} />
        </SessionId>
      )}
    </details>
  );
}

function Changes({ sessionId }: { sessionId: string }) {
  const diff = useLoad((rest) => readSessionDiff(rest, { params: { id: sessionId } }));
  return <Loaded of={diff}>{(found) => <Found diff={found} />}</Loaded>;
}

function Found({ diff: { source, files, patch, truncated } }: { diff: SessionDiff }) {
  return (
    <>
      <p className="quiet">{t(`files.source.${source}`)}</p>
      {files.length === 0 ? <p role="status">{t('files.unchanged')}</p> : <NotedDiff patch={patch} />}
      {truncated && <p className="quiet">{t('files.partial')}</p>}
    </>
  );
}
