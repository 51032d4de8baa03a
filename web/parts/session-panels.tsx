import { lazy, useMemo } from 'react';
import type { Settings } from '../store/session-details.js';
import { openTodos } from '../store/todos.js';
import { useStore } from '../views/use-console.js';
import { Lazily } from './lazy-place.js';
import { LimitBanner } from './limit-banner.js';
import { QueuePanel } from './queue-panel.js';
import { TodoPanel } from './todo-list.js';

const TasksPanel = lazy(async () => ({ default: (await import('./tasks-panel.js')).TasksPanel }));

/** What holds of the session now, between its conversation and the next message. */
export function SessionPanels({ sessionId, settings }: { sessionId: string; settings: Settings | undefined }) {
  const tasks = useStore((state) => state.tasks.get(sessionId)) ?? [];
  const items = useStore((state) => state.transcripts.get(sessionId)?.items);
  const todos = useMemo(() => openTodos(items ?? []), [items]);
  return (
    <>
      {todos && <TodoPanel todos={todos} />}
      {tasks.length > 0 && (
        <Lazily>
          <TasksPanel sessionId={sessionId} tasks={tasks} />
        </Lazily>
      )}
      <LimitBanner sessionId={sessionId} settings={settings} />
      <QueuePanel sessionId={sessionId} />
    </>
  );
}
