import { memo, useState } from 'react';
import type { ToolItem } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { Tool } from './tool.js';

/** Names of a run that are shown in its line. */
const NAMED = 4;

/** Tools that have followed one another, in one line that opens. */
export const ToolRun = memo(
  ({ tools }: { tools: readonly ToolItem[] }) => {
    const [isOpen, setOpen] = useState(false);
    const failed = tools.filter(({ result }) => result?.success === false).length;
    const names = [...new Set(tools.map(({ name }) => name))];
    return (
      <details
        className="tool"
        data-message={tools.map(({ key }) => key).join(' ')}
        data-state={failed > 0 ? 'failed' : 'done'}
        onToggle={(e) => setOpen(e.currentTarget.open)}
      >
        <summary>
          <strong>{t('tool.run', { count: tools.length })}</strong>{' '}
          <span className="quiet">
            {names.slice(0, NAMED).join(', ')}
            {names.length > NAMED && ' …'}
          </span>{' '}
          {failed > 0 && <span className="state">{t('tool.runFailed', { count: failed })}</span>}
        </summary>
        {isOpen && tools.map((tool) => <Tool key={tool.key} tool={tool} />)}
      </details>
    );
  },
  (before, after) =>
    before.tools.length === after.tools.length && before.tools.every((tool, index) => tool === after.tools[index]),
);
