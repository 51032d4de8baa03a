import { useEffect, useState } from 'react';
import { plainText } from '../../protocol/plain-text.js';
import type { TaskView } from '../../protocol/tasks.js';
import { loadOutput } from '../link/details.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';

const AGAIN_MS = 2000;

/** What runs beside the turns, with its output and its end. */
export function TasksPanel({ sessionId, tasks }: { sessionId: string; tasks: readonly TaskView[] }) {
  return (
    <details className="panel">
      <summary>{t('tasks.title', { count: tasks.length })}</summary>
      <ul className="tasks">
        {tasks.map((task) => (
          <li key={task.taskId}>
            <Task sessionId={sessionId} task={task} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Task({ sessionId, task }: { sessionId: string; task: TaskView }) {
  const { client } = useConsole().link;
  const [isOpen, setOpen] = useState(false);
  const { isBusy, refusal, run } = useAction();
  const { taskId, description, status, summary, kind } = task;
  return (
    <>
      <div className="bar">
        <span>
          <strong dir="auto">{description}</strong> <span className="quiet">{summary ?? status}</span>
        </span>
        {kind === 'shell' && (
          <button
            type="button"
            aria-expanded={isOpen}
            aria-label={t('tasks.outputOf', { name: description })}
            onClick={() => setOpen(!isOpen)}
          >
            {t('tasks.output')}
          </button>
        )}
        <button
          type="button"
          disabled={isBusy}
          aria-label={t('tasks.end', { name: description })}
          onClick={() => void run(() => client.request('stopTask', { sessionId, taskId }))}
        >
          {t('tasks.endShort')}
        </button>
      </div>
      <Refusal reason={refusal} />
      {isOpen && <Output sessionId={sessionId} taskId={taskId} />}
    </>
  );
}

/** The end of what it has written, looked at again while it is shown. */
function Output({ sessionId, taskId }: { sessionId: string; taskId: string }) {
  const parts = useConsole();
  const output = useStore((state) => state.details.get(sessionId)?.outputs.get(taskId));
  useEffect(() => {
    void loadOutput(parts, sessionId, taskId);
    const timer = setInterval(() => void loadOutput(parts, sessionId, taskId), AGAIN_MS);
    return () => clearInterval(timer);
  }, [parts, sessionId, taskId]);
  if (output === undefined || output.kind === 'loading') return <p className="quiet">{t('settings.asking')}</p>;
  if (output.kind === 'failed') return <Refusal reason={output.because} />;
  const { output: text, truncated } = output.value;
  if (text === '') return <p className="quiet">{t('tasks.silent')}</p>;
  return (
    <pre dir="ltr">
      {truncated && '…\n'}
      {plainText(text)}
    </pre>
  );
}
