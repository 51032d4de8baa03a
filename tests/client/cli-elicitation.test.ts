/** How the terminal asks for what an MCP server wants to know, and shows the dialogs of the CLI. */
import { describe, expect, test } from '@jest/globals';
import { questionsOf, replyOf, replyOfWord, standingReply } from '../../cli/permission-question.js';
import type { EventData } from '../../protocol/events.js';

const elicited = (toolInput: object): EventData<'permissionRequest'> => ({
  permissionId: 'p',
  sessionId: 's',
  kind: 'elicitation',
  toolName: 'elicitation',
  mcpServer: 'forms',
  toolInput,
  prompt: 'forms asks: Who are you?',
  options: ['allow', 'deny'],
  default: 'deny',
  defaultOption: 'deny',
  oneTap: false,
  canRemember: false,
  timeout: 0,
});
const schema = {
  type: 'object',
  properties: {
    age: { type: 'integer', title: 'Age', description: 'In years', minimum: 0 },
    name: { type: 'string', minLength: 2 },
    isNew: { type: 'boolean', default: true },
    colour: { type: 'string', enum: ['red', 'blue'], enumNames: ['Red', 'Blue'] },
    tags: {
      type: 'array',
      items: {
        anyOf: [
          { const: 'a', title: 'A \u001b[31m' },
          { const: 'b', title: 'B' },
        ],
      },
    },
  },
  required: ['name', 'tags'],
};
const form = elicited({
  message: 'Who are you?',
  mode: 'form',
  schema,
  order: ['name', 'age', 'isNew', 'colour', 'tags'],
});
const page = elicited({ message: 'Log in.', mode: 'url', url: 'https://login.example/', host: 'login.example' });
const noFile = () => undefined;

describe('a form in the terminal', () => {
  test('is asked property by property, in its order, with the choices of each', () => {
    const questions = questionsOf(form, noFile);
    expect(questions.map(({ text }) => text)).toEqual([
      'forms asks: Who are you?\n\nname',
      'Age\nIn years',
      'isNew',
      'colour',
      'tags\n  1  A\n  2  B',
    ]);
    const keys = questions.map(({ choices }) => choices.map(({ key }) => key).join(''));
    expect(keys).toEqual(['on', 'osn', '12dsn', '12sn', 'on']);
    expect(questions[3]?.choices.map(({ label }) => label)).toEqual(['Red', 'Blue', 'leave it out', 'answer nothing']);
  });

  test('is answered in the types of its schema, without what is left out', () => {
    const given = [{ key: 'o', text: 'Ada' }, { key: 'o', text: '36' }, { key: '2' }, { key: '2' }];
    expect(replyOf(form, given)).toBeUndefined();
    expect(replyOf(form, [...given, { key: 'o', text: '2, 1' }])).toEqual({
      response: 'allow',
      remember: false,
      answers: { name: 'Ada', age: 36, isNew: false, colour: 'blue', tags: ['b', 'a'] },
    });
    const few = [{ key: 'o', text: 'Ada' }, { key: 's' }, { key: 'd' }, { key: 's' }, { key: 'o', text: 'a' }];
    expect(replyOf(form, few)?.answers).toEqual({ name: 'Ada', isNew: true, tags: ['a'] });
  });

  test('says what is wrong with a typed value', () => {
    const problems = (at: number, text: string) => {
      const choice = questionsOf(form, noFile)[at]?.choices.find(({ key }) => key === 'o');
      return choice?.problemOf?.(text);
    };
    expect(problems(0, 'A')).toBe('must have at least 2 characters');
    expect(problems(0, 'Ada')).toBeUndefined();
    expect(problems(1, 'old')).toBe('must be a number');
    expect(problems(1, '1.5')).toBe('must be a whole number');
    expect(problems(1, '-1')).toBe('must be at least 0');
    expect(problems(4, '3')).toBe('must have only values of the form');
  });

  test('is declined at any of its questions', () => {
    const denial = { response: 'deny', remember: false };
    expect(replyOf(form, [{ key: 'n' }])).toEqual(denial);
    expect(replyOf(form, [{ key: 'o', text: 'Ada' }, { key: 'n' }])).toEqual(denial);
    expect(replyOfWord(form, 'deny', undefined)).toEqual(denial);
  });

  test('is declined where no person can be asked, even if everything is allowed', () => {
    expect(standingReply(form, { yes: true })).toMatchObject({ response: 'deny' });
    expect(standingReply(page, { yes: true })).toMatchObject({ response: 'deny' });
  });
});

test('a page is shown, and another person cannot open it', () => {
  const [question, ...others] = questionsOf(page, noFile);
  expect(others).toEqual([]);
  expect(question?.text).toBe(
    'forms asks: Who are you?\nLog in.\nOpen it in a browser yourself: https://login.example/',
  );
  expect(question?.choices.map(({ key }) => key)).toEqual(['y', 'n']);
  expect(replyOf(page, [{ key: 'y' }])).toEqual({ response: 'allow', remember: false });
  expect(replyOf(page, [{ key: 'n' }])).toEqual({ response: 'deny', remember: false });
});

test('a dialog of the CLI is shown with its choices, and answered by one of them', () => {
  const choices = [
    { value: 'retry_fallback', label: 'Continue with another' },
    { value: 'edit_prompt', label: 'End the turn' },
  ];
  const dialog: EventData<'permissionRequest'> = {
    ...page,
    kind: 'dialog',
    prompt: 'Claude Code asks: Continue?',
    toolInput: { dialogKind: 'refusal_fallback_prompt', title: 'Continue?', message: 'Stopped.', choices },
    options: ['retry_fallback', 'edit_prompt', 'deny'],
  };
  const [question] = questionsOf(dialog, noFile);
  expect(question?.text).toBe('Claude Code asks: Continue?\nStopped.');
  expect(question?.choices.map(({ key, label }) => `${key} ${label}`)).toEqual([
    '1 Continue with another',
    '2 End the turn',
    'n none of these',
  ]);
  expect(replyOf(dialog, [])).toBeUndefined();
  expect(replyOf(dialog, [{ key: '2' }])).toEqual({ response: 'edit_prompt', remember: false });
  expect(replyOf(dialog, [{ key: 'n' }])).toEqual({ response: 'deny', remember: false });
  expect(replyOfWord(dialog, 'retry_fallback', undefined)).toEqual({ response: 'retry_fallback', remember: false });
  expect(standingReply(dialog, { yes: true })).toMatchObject({ response: 'deny' });
});
