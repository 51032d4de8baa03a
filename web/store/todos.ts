/** The list of what Claude means to do. Pure. */
import * as z from 'zod';
import type { Item, ToolItem } from './transcript.js';

const todosSchema = z.object({
  todos: z.array(
    z.object({
      content: z.string(),
      status: z.enum(['pending', 'in_progress', 'completed']).catch('pending'),
      activeForm: z.string().optional(),
    }),
  ),
});
export type Todo = z.infer<typeof todosSchema>['todos'][number];

/** The list in the input of a tool; undefined where it has none. */
export const todosIn = (name: string, input: unknown): readonly Todo[] | undefined =>
  name === 'TodoWrite' ? todosSchema.safeParse(input).data?.todos : undefined;

/** Of newer versions of the CLI: one todo after another. */
const createdSchema = z.object({ subject: z.string(), activeForm: z.string().optional() });
const updatedSchema = z.object({
  taskId: z.string(),
  subject: z.string().optional(),
  activeForm: z.string().optional(),
  status: z.enum(['pending', 'in_progress', 'completed', 'deleted']).optional().catch(undefined),
});

/** The id that the CLI has given to a todo, in its words: `Task #3 created …`. */
const idIn = (result: string | undefined): string | undefined => /#(\w+)/.exec(result ?? '')?.[1];

type Todos = Map<string, Todo>;

const TOOLS: Record<string, (known: Todos, tool: ToolItem) => Todos> = {
  TodoWrite: (known, { name, input }) => {
    const todos = todosIn(name, input);
    return todos ? new Map(todos.map((todo, index) => [`written-${index}`, todo])) : known;
  },
  TaskCreate: (known, { input, result }) => {
    const { data } = createdSchema.safeParse(input);
    const id = idIn(result?.result);
    if (!data || id === undefined) return known;
    return new Map(known).set(id, { content: data.subject, status: 'pending', activeForm: data.activeForm });
  },
  TaskUpdate: (known, { input }) => {
    const { data } = updatedSchema.safeParse(input);
    const todo = data && known.get(data.taskId);
    if (!todo) return known;
    const { taskId, status = todo.status, subject = todo.content, activeForm = todo.activeForm } = data;
    const next = new Map(known);
    if (status === 'deleted') next.delete(taskId);
    else next.set(taskId, { content: subject, status, activeForm });
    return next;
  },
};

/** The list of the conversation's own, while something of it is left to do. What a tool has failed to do is not in it. */
export function openTodos(items: readonly Item[]): readonly Todo[] | undefined {
  let todos: Todos = new Map();
  for (const item of items) {
    if (item.kind !== 'tool' || item.parent !== undefined || !item.result?.success) continue;
    todos = TOOLS[item.name]?.(todos, item) ?? todos;
  }
  const list = [...todos.values()];
  return list.some(({ status }) => status !== 'completed') ? list : undefined;
}
