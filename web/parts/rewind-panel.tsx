import { type ReactNode, useContext, useEffect, useRef, useState } from 'react';
import type { AnswerData } from '../../client/browser.js';
import { wordsOf } from '../link/link.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { Refusal } from './refusal.js';
import { SessionId } from './session-id.js';
import { useAction } from './use-action.js';

const KINDS = ['both', 'files', 'conversation'] as const;
type What = (typeof KINDS)[number];

type Preview = { kind: 'asking' } | { kind: 'failed'; because: string } | { kind: 'told'; data: AnswerData<'rewound'> };

/** Only files were to go back, and none would: a shell command has changed them. */
const isOfNothing = ({ what, filesChanged }: AnswerData<'rewound'>): boolean =>
  what === 'files' && filesChanged.length === 0;

/** Files of a preview that are named. */
const NAMED = 20;

export interface RewindPanelProps {
  promptId: string;
  onEnd: () => void;
}

/** Says what going back to before a message would change; only then can it be done. */
export function RewindPanel(props: RewindPanelProps) {
  const { promptId } = props;
  const [what, setWhat] = useState<What>('both');
  return (
    <Panel {...props} title={t('rewind.title')} what={what} action={t('rewind.do')}>
      <fieldset className="segments" aria-label={t('rewind.what')}>
        {KINDS.map((one) => (
          <label key={one}>
            <input type="radio" name={`what-${promptId}`} checked={what === one} onChange={() => setWhat(one)} />
            <span>{t(`rewind.${one}`)}</span>
          </label>
        ))}
      </fieldset>
    </Panel>
  );
}

/** The same for the files alone, from where their changes are shown. */
export function UndoPanel(props: RewindPanelProps) {
  return (
    <Panel {...props} title={t('undo.title')} what="files" action={t('undo.do')}>
      <p className="quiet">{t('undo.later')}</p>
    </Panel>
  );
}

interface PanelProps extends RewindPanelProps {
  title: string;
  what: What;
  action: string;
  children: ReactNode;
}

function Panel({ promptId, onEnd, title, what, action, children }: PanelProps) {
  const { client } = useConsole().link;
  const sessionId = useContext(SessionId);
  const preview = usePreview(sessionId, promptId, what);
  const { isBusy, refusal, run } = useAction();
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (preview.kind !== 'asking') panel.current?.scrollIntoView({ block: 'nearest' });
  }, [preview]);
  const canRewind = preview.kind === 'told' && preview.data.canRewind && !isOfNothing(preview.data);
  const rewind = async () => {
    const done = await run(async () => {
      const { data } = await client.request('rewind', { sessionId, promptId, what });
      if (!data.canRewind) throw new Error(data.reason ?? t('rewind.cannot'));
    });
    if (done) onEnd();
  };
  return (
    <section ref={panel} className="card" aria-label={title} aria-busy={isBusy}>
      {children}
      <PreviewText preview={preview} />
      <Refusal reason={refusal} />
      <div className="row">
        <button type="button" className="primary" disabled={isBusy || !canRewind} onClick={() => void rewind()}>
          {action}
        </button>
        <button type="button" onClick={onEnd}>
          {t('new.cancel')}
        </button>
      </div>
    </section>
  );
}

function usePreview(sessionId: string, promptId: string, what: What): Preview {
  const { client } = useConsole().link;
  const [preview, setPreview] = useState<Preview>({ kind: 'asking' });
  useEffect(() => {
    let isWanted = true;
    const tell = (next: Preview) => isWanted && setPreview(next);
    tell({ kind: 'asking' });
    client.request('rewind', { sessionId, promptId, what, dryRun: true }).then(
      ({ data }) => tell({ kind: 'told', data }),
      (error: unknown) => tell({ kind: 'failed', because: wordsOf(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [client, sessionId, promptId, what]);
  return preview;
}

function PreviewText({ preview }: { preview: Preview }) {
  if (preview.kind === 'asking') return <p className="quiet">{t('settings.asking')}</p>;
  if (preview.kind === 'failed') return <Refusal reason={preview.because} />;
  const { canRewind, reason, what, filesChanged, insertions, deletions } = preview.data;
  return (
    <div role="status">
      {!canRewind && <p className="refusal">{reason ?? t('rewind.cannot')}</p>}
      {canRewind && reason !== undefined && <p className="quiet">{reason}</p>}
      {canRewind && what !== 'files' && <p>{t('rewind.forgets')}</p>}
      {canRewind && isOfNothing(preview.data) && <p>{t('undo.nothing')}</p>}
      {canRewind && what !== 'conversation' && filesChanged.length > 0 && (
        <>
          <p>{t('rewind.restores', { count: filesChanged.length, insertions, deletions })}</p>
          <ul dir="ltr">
            {filesChanged.slice(0, NAMED).map((path) => (
              <li key={path}>{path}</li>
            ))}
            {filesChanged.length > NAMED && <li>…</li>}
          </ul>
        </>
      )}
    </div>
  );
}
