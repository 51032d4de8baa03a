import { useState } from 'react';
import { addWorktree } from '../../client/rest/index.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { PassingForm } from './passing-form.js';

export interface WorktreeFormProps {
  project: string;
  /** That is checked out now. */
  branch: string | undefined;
  onAdded: () => Promise<void>;
  onLeave: () => void;
}

/** Another directory of the same repository, with a branch of its own. */
export function WorktreeForm({ project, branch: present = '', onAdded, onLeave }: WorktreeFormProps) {
  const { link } = useConsole();
  const [branch, setBranch] = useState(present);
  const [newBranch, setNewBranch] = useState('');
  const add = async () => {
    const body = { branch, ...(newBranch !== '' && { newBranch }) };
    await addWorktree(link.rest, { params: { name: project }, body });
    await onAdded();
  };
  return (
    <PassingForm submit={t('worktree.add')} onSubmit={add} onLeave={onLeave}>
      <label>
        {t('worktree.branch')}
        <input
          ref={(input) => input?.focus()}
          value={branch}
          onChange={({ target }) => setBranch(target.value)}
          spellCheck={false}
          autoCapitalize="none"
          required
        />
      </label>
      <label>
        {t('worktree.newBranch')}
        <input
          value={newBranch}
          onChange={({ target }) => setNewBranch(target.value)}
          spellCheck={false}
          autoCapitalize="none"
        />
      </label>
    </PassingForm>
  );
}
