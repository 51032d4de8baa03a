/** What a session runs beside its turns: the frame `tasks`, and `GET /api/sessions/:id/tasks`. */
import * as z from 'zod';
import { timestampSchema } from './scalars.js';

const id = z.string().min(1);

const taskSchema = z.object({
  taskId: id,
  kind: z.enum(['shell', 'agent', 'monitor', 'cron', 'other']).describe('`cron`: a prompt that runs at a later time.'),
  description: z.string(),
  status: z
    .string()
    .describe('`running`, `pending`, `paused`, `scheduled`; once, at its end: `completed`, `failed` or `stopped`.'),
  startedAt: timestampSchema,
  summary: z.string().optional().describe('What it does now, or how it ended: at most 1,000 characters.'),
});
export type TaskView = z.infer<typeof taskSchema>;

export const tasksSchema = z.object({ sessionId: id, tasks: z.array(taskSchema) });
export type Tasks = z.infer<typeof tasksSchema>;
