import type { ReactNode } from 'react';
import { plainText } from '../../protocol/plain-text.js';
import { todosIn } from '../store/todos.js';
import type { ToolItem } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { NotedDiff } from './noted-diff.js';
import { TodoList } from './todo-list.js';
import { summaryOf, ToolInput } from './tool-input.js';

/** A tool in one line, which opens to what it was given, what it has said, and what its subagent does. */
export function Tool({ tool, children }: { tool: ToolItem; children?: ReactNode }) {
  const { name, input, result } = tool;
  const state = result === undefined ? t('tool.runs') : result.success ? '' : t('tool.failed');
  return (
    <details
      className="tool"
      data-message={tool.key}
      data-state={result === undefined ? 'running' : result.success ? 'done' : 'failed'}
    >
      <summary>
        <strong>{name}</strong> <span className="quiet">{summaryOf(input)}</span> <span className="state">{state}</span>
      </summary>
      <Given tool={tool} />
      {result !== undefined && <pre tabIndex={0}>{plainText(result.result ?? result.error ?? '')}</pre>}
      {children}
    </details>
  );
}

function Given({ tool: { name, input, result } }: { tool: ToolItem }) {
  if (result?.change !== undefined) return <NotedDiff patch={result.change.patch} path={result.change.path} />;
  const todos = todosIn(name, input);
  return todos ? <TodoList todos={todos} /> : <ToolInput name={name} input={input} />;
}
