import { type FormEvent, useState } from 'react';
import type { CloneProgress } from '../../protocol/projects.js';
import { cloneWithProgress } from '../link/clone.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

/** Makes a project of a repository, and shows how far git is. */
export function CloneForm({ onCloned }: { onCloned: () => Promise<void> }) {
  const { link } = useConsole();
  const action = useAction();
  const [cloneUrl, setCloneUrl] = useState('');
  const [name, setName] = useState('');
  const [progress, setProgress] = useState<CloneProgress>();
  const [made, setMade] = useState<string>();
  const clone = async () => {
    const order = { cloneUrl, ...(name !== '' && { name }) };
    setMade(undefined);
    const project = await cloneWithProgress(link.rest, order, setProgress).finally(() => setProgress(undefined));
    setMade(project.name);
    setCloneUrl('');
    setName('');
    await onCloned();
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(clone);
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
        <button type="submit" className="primary" disabled={action.isBusy}>
          {action.isBusy ? t('clone.busy') : t('clone.submit')}
        </button>
        {action.isBusy && <Progress of={progress} />}
      </form>
      <p role="status">{made !== undefined && t('clone.done', { name: made })}</p>
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
