import { type FormEvent, useRef, useState } from 'react';
import type { CloneProgress } from '../../protocol/projects.js';
import { type CloneOrder, cloneWithProgress } from '../link/clone.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

/** One clone after the other. Resolves with the words for how it has ended, or rejects. */
function useClone() {
  const { link } = useConsole();
  const [progress, setProgress] = useState<CloneProgress>();
  const running = useRef<AbortController>(undefined);
  const clone = async (order: CloneOrder): Promise<{ words: string; isMade: boolean }> => {
    running.current = new AbortController();
    const { signal } = running.current;
    try {
      const { name } = await cloneWithProgress(link.rest, order, { onProgress: setProgress, signal });
      return { words: t('clone.done', { name }), isMade: true };
    } catch (error) {
      if (!signal.aborted) throw error;
      return { words: t('clone.cancelled'), isMade: false };
    } finally {
      setProgress(undefined);
    }
  };
  return { clone, progress, cancel: () => running.current?.abort() };
}

/** Makes a project of a repository, and shows how far git is. */
export function CloneForm({ onCloned }: { onCloned: () => Promise<void> }) {
  const action = useAction();
  const { clone, progress, cancel } = useClone();
  const [cloneUrl, setCloneUrl] = useState('');
  const [name, setName] = useState('');
  const [said, setSaid] = useState('');
  const submit = async () => {
    setSaid('');
    const { words, isMade } = await clone({ cloneUrl, ...(name !== '' && { name }) });
    setSaid(words);
    if (isMade) {
      setCloneUrl('');
      setName('');
    }
    await onCloned();
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(submit);
  };
  return (
    <details className="item">
      <summary>{t('clone.title')}</summary>
      <form onSubmit={onSubmit}>
        <label>
          {t('clone.address')}
          <input
            value={cloneUrl}
            onChange={({ target }) => setCloneUrl(target.value)}
            placeholder="https://example.org/team/shop.git"
            spellCheck={false}
            autoCapitalize="none"
            required
          />
        </label>
        <label>
          {t('clone.name')}
          <input
            value={name}
            onChange={({ target }) => setName(target.value)}
            spellCheck={false}
            autoCapitalize="none"
          />
        </label>
        <Refusal reason={action.refusal} />
        <div className="row">
          <button type="submit" className="primary" disabled={action.isBusy}>
            {action.isBusy ? t('clone.busy') : t('clone.submit')}
          </button>
          {action.isBusy && (
            <button type="button" onClick={cancel}>
              {t('clone.cancel')}
            </button>
          )}
        </div>
        {action.isBusy && <Progress of={progress} />}
      </form>
      <p role="status">{said}</p>
    </details>
  );
}

function Progress({ of: progress }: { of: CloneProgress | undefined }) {
  const words = progress ? t(`clone.phase.${progress.phase}`) : t('clone.begins');
  return (
    <label>
      {words}
      <progress max={100} value={progress?.percent} />
    </label>
  );
}
