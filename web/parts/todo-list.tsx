import type { Todo } from '../store/todos.js';
import { t } from '../strings/t.js';

const MARKS = { pending: '○', in_progress: '◐', completed: '●' } as const;

export function TodoList({ todos }: { todos: readonly Todo[] }) {
  return (
    <ul className="todos">
      {todos.map(({ content, status }) => (
        <li key={content} data-status={status}>
          <span role="img" aria-label={t(`todo.${status}`)}>
            {MARKS[status]}
          </span>{' '}
          <span dir="auto">{content}</span>
        </li>
      ))}
    </ul>
  );
}

/** What is done and what is left, in a line that opens. */
export function TodoPanel({ todos }: { todos: readonly Todo[] }) {
  const done = todos.filter(({ status }) => status === 'completed').length;
  const now = todos.find(({ status }) => status === 'in_progress');
  return (
    <details className="panel">
      <summary>
        {t('todo.progress', { done, all: todos.length })}{' '}
        {now && <span className="quiet">{now.activeForm ?? now.content}</span>}
      </summary>
      <TodoList todos={todos} />
    </details>
  );
}
