/** What is left to do in a session, from what its tools were given and have answered. */
import { expect, test } from '@jest/globals';
import { openTodos } from '../../web/store/todos.js';
import type { Item } from '../../web/store/transcript.js';

let tools = 0;

function tool(name: string, input: object, said: { result?: string; parent?: string; success?: boolean } = {}): Item {
  tools += 1;
  const { result = '', parent, success = true } = said;
  const data = { type: 'tool_result', toolName: name, toolId: `${tools}`, success, result, timestamp: '' } as const;
  return { kind: 'tool', key: `${tools}`, name, input, result: data, parent };
}

const written = (...statuses: string[]) =>
  tool('TodoWrite', { todos: statuses.map((status, index) => ({ content: `todo ${index}`, status })) });

test('the newest list holds, until all of it is done', () => {
  const first = written('in_progress', 'pending');
  expect(openTodos([first])?.map(({ status }) => status)).toEqual(['in_progress', 'pending']);
  expect(openTodos([first, written('completed', 'pending')])?.map(({ status }) => status)).toEqual([
    'completed',
    'pending',
  ]);
  expect(openTodos([first, written('completed', 'completed')])).toBeUndefined();
  expect(openTodos([])).toBeUndefined();
});

test('todos that are made and changed one by one are one list', () => {
  const items = [
    tool('TaskCreate', { subject: 'Dig', activeForm: 'Digging' }, { result: 'Task #1 created successfully: Dig' }),
    tool('TaskCreate', { subject: 'Sow' }, { result: 'Task #2 created successfully: Sow' }),
    tool('TaskCreate', { subject: 'Burn' }, { result: 'Task #3 created successfully: Burn' }),
    tool('TaskUpdate', { taskId: '1', status: 'in_progress' }),
    tool('TaskUpdate', { taskId: '2', subject: 'Sow peas' }),
    tool('TaskUpdate', { taskId: '3', status: 'deleted' }),
  ];
  expect(openTodos(items)).toEqual([
    { content: 'Dig', status: 'in_progress', activeForm: 'Digging' },
    { content: 'Sow peas', status: 'pending', activeForm: undefined },
  ]);
});

test('what a tool has failed to do, what a subagent does and what has no form is not in it', () => {
  const todos = [{ content: 'Other', status: 'pending' }];
  expect(openTodos([tool('TodoWrite', { todos }, { success: false })])).toBeUndefined();
  expect(openTodos([tool('TodoWrite', { todos }, { parent: 'agent' })])).toBeUndefined();
  expect(openTodos([tool('TodoWrite', { todos: 'all' }), tool('TaskUpdate', { taskId: '9' })])).toBeUndefined();
});
