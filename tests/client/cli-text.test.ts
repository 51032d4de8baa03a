import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dollars, roundedDollars } from '../../cli/amounts.js';
import { AskView } from '../../cli/ask-view.js';
import { questionsOf, replyOf, replyOfWord, standingReply } from '../../cli/permission-question.js';
import { plainJson } from '../../cli/run-cli.js';
import { toolResultLines, toolUseLine } from '../../cli/tool-line.js';
import { lineDiff, toolPreview } from '../../cli/tool-preview.js';
import type { EventData } from '../../protocol/events.js';
import { plainLine, plainText } from '../../protocol/plain-text.js';
import { anyCharacter } from '../support/any-character.js';

const ESC = '\u001b';
const CONTROL = /(?![\n\t])\p{Cc}/u;
const hostile = fc.array(
  fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.constantFrom(ESC, `${ESC}[2J`, `${ESC}]0;title\u0007`, `${ESC}[31m`, '\u009b1A', '\r', '\b', '\u202e', '\u007f'),
  ),
);

describe('what is shown in the terminal', () => {
  test('holds nothing that a terminal could obey', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        expect(plainText(parts.join(''))).not.toMatch(CONTROL);
        expect(plainLine(parts.join(''), 40)).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  test('holds nothing that a terminal could obey, however the text is cut into pieces', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const written: string[] = [];
        const output = { write: (text: string) => written.push(text) };
        const view = new AskView({ stdout: output, stderr: output } as never, { quiet: false });
        for (const part of parts) view.text(part);
        for (const part of parts) view.line(part);
        view.close();
        expect(written.join('')).not.toMatch(CONTROL);
      }),
    );
  });

  test('loses colours, and nothing that stands between other control characters', () => {
    expect(plainText(`${ESC}[1;31mred${ESC}[0m\r\n\tplain`)).toBe('red\n\tplain');
    expect(plainText(`ls ${ESC}]0; rm -rf ~ \u0007`)).toBe('ls ]0; rm -rf ~ ');
  });

  test('keeps characters whole that come in halves', () => {
    const written: string[] = [];
    const output = { write: (text: string) => written.push(text) };
    const view = new AskView({ stdout: output, stderr: output } as never, { quiet: false });
    for (const half of '👍🏽') view.text(half);
    for (const unit of '🎉'.split('')) view.text(unit);
    expect(written.join('')).toBe('👍🏽🎉');
    expect(written.every((text) => Buffer.from(text).toString() === text)).toBe(true);
  });

  test('a text that is replaced goes on where it can, and is shown again where it cannot', () => {
    const written: string[] = [];
    const view = new AskView({ stdout: { write: (text: string) => written.push(text) } } as never, { quiet: false });
    const place = { messageId: 'm', blockIndex: 0, streamType: 'assistant_message' as const, complete: false };
    view.piece({ ...place, change: { kind: 'append', text: 'abc' } });
    view.piece({ ...place, change: { kind: 'replace', previous: 'abc', text: 'ab' } });
    view.piece({ ...place, change: { kind: 'replace', previous: 'ab', text: 'xyz' }, complete: true });
    expect(written.join('')).toBe('abc\nxyz\n');
  });
});

const timestamp = '2025-01-01T00:00:00.000Z';

describe('a tool call in one line', () => {
  const use = (toolInput: unknown) =>
    toolUseLine({ type: 'tool_use', toolName: 'Bash', toolInput, toolId: 't', timestamp }, 40);

  test.each([
    [{ description: 'List', command: 'ls\n-la' }, '> Bash ls -la'],
    [{ description: 'A file', file_path: '/a/b' }, '> Bash /a/b'],
    [{ something: 'else', n: 1 }, '> Bash else'],
    [{ n: 1 }, '> Bash'],
    [null, '> Bash'],
    [{ command: 'x'.repeat(100) }, `> Bash ${'x'.repeat(28)}…`],
  ])('names the tool and the most telling field of %j', (input, line) => {
    expect(use(input)).toBe(line);
  });

  const result = { type: 'tool_result' as const, toolName: 'Bash', toolId: 't', timestamp };

  test('says whether it worked, and why not', () => {
    expect(toolResultLines({ ...result, success: true, result: '' }, 80)).toEqual(['  Bash ok']);
    expect(toolResultLines({ ...result, success: false, error: 'no such file' }, 80)).toEqual([
      '  Bash failed: no such file',
    ]);
    expect(toolResultLines({ ...result, success: false, result: 'exit 1', parentToolUseId: 'p' }, 80)).toEqual([
      '    Bash failed: exit 1',
    ]);
    expect(toolResultLines({ ...result, success: false, error: 'Exit code 1\nno such file' }, 80)).toEqual([
      '  Bash failed',
      '    Exit code 1',
      '    no such file',
    ]);
  });

  test('shows the end of what the tool said, ten lines as wide as the screen', () => {
    const lines = Array.from({ length: 30 }, (_, index) => `  line ${index + 1} ${'x'.repeat(100)}`);
    const shown = toolResultLines({ ...result, success: true, result: `${lines.join('\n')}\n\n` }, 40);
    expect(shown.slice(0, 3)).toEqual(['  Bash ok', '    … 20 more lines above', `      line 21 ${'x'.repeat(24)}…`]);
    expect(shown).toHaveLength(12);
    expect(Math.max(...shown.map((line) => line.length))).toBeLessThan(40);
  });
});

/** A list without one entry for each of these. */
const without = (list: string[], gone: string[]): string[] =>
  gone.reduce((left, one) => left.filter((_, at) => at !== left.indexOf(one)), list);

describe('what a tool is about to do', () => {
  const call = (toolName: string, toolInput: unknown, present?: { text?: string }) =>
    toolPreview({ toolName, toolInput }, () => present).split('\n');

  test('is shown line by line for an edit', () => {
    const before = 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine';
    const after = before.replace('two', 'TWO').replace('nine', 'nine\nten');
    expect(call('Edit', { file_path: '/w/a', old_string: before, new_string: after })).toEqual([
      '/w/a',
      '  one',
      '- two',
      '+ TWO',
      '  three',
      '  four',
      '  five',
      '  …',
      '  seven',
      '  eight',
      '  nine',
      '+ ten',
    ]);
    const edits = [
      { old_string: 'a', new_string: 'b', replace_all: true },
      { old_string: 'c\n', new_string: '' },
    ];
    expect(call('MultiEdit', { file_path: '/w/a', edits })).toEqual([
      '/w/a',
      'everywhere in the file:',
      '- a',
      '+ b',
      '- c',
    ]);
  });

  test('says whether a file is new, and what changes in one that is replaced', () => {
    const input = { file_path: 'a', content: 'one\nTWO\n' };
    expect(call('Write', input)).toEqual(['a (new file)', '+ one', '+ TWO']);
    expect(call('Write', input, { text: 'one\ntwo\n' })).toEqual(['a (replaces the file)', '  one', '- two', '+ TWO']);
    expect(call('Write', input, { text: input.content })).toEqual(['a (replaces the file)', '  no change']);
    expect(call('Write', input, {})).toEqual(['a (replaces the file)', '+ one', '+ TWO']);
  });

  test('is a command as it is with its other fields, and JSON where nothing else is known', () => {
    expect(call('Bash', { command: 'a\nb', description: 'Do', timeout: 5 })).toEqual(['a', 'b', 'timeout: 5']);
    expect(call('WebFetch', { url: 'https://x' })).toEqual(['https://x']);
    expect(call('Edit', { file_path: '/w/a', n: 1 })).toEqual(['{', '  "file_path": "/w/a",', '  "n": 1', '}']);
  });

  test('a difference of any two texts leads from one to the other', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = lineDiff(before, after);
        const side = (kind: string) => lines.filter((line) => line.startsWith(kind)).map((line) => line.slice(2));
        const linesOf = (all: string) => (all === '' ? [] : all.replace(/\n$/, '').split('\n'));
        const rest = (all: string, changed: string[]) => without(linesOf(all), changed).sort();
        // What neither loses nor gains is the same on both sides.
        expect(rest(before, side('-'))).toEqual(rest(after, side('+')));
      }),
    );
  });
});

describe('money', () => {
  test.each([
    [0, '$0.00'],
    [0.0018679999, '$0.0019'],
    [0.00004, '<$0.0001'],
    [0.1234, '$0.12'],
    [12.3456, '$12.35'],
  ])('%d US dollars read %s', (amount, text) => {
    expect(dollars(amount)).toBe(text);
  });

  test('has no more decimals for programs than it is counted in', () => {
    expect(roundedDollars(0.0018679999999)).toBe(0.001868);
    expect(roundedDollars(null)).toBeNull();
  });
});

test('JSON on a terminal holds nothing that it could obey, and means the same', () => {
  fc.assert(
    fc.property(hostile, (parts) => {
      const text = parts.join('');
      const json = plainJson({ text });
      expect(json).not.toMatch(CONTROL);
      expect(JSON.parse(json)).toEqual({ text });
    }),
  );
  expect(plainJson('a\u009b\u200eb')).toBe('"a\\u009b\\u200eb"');
});

type Request = EventData<'permissionRequest'>;
const asked = (parts: Partial<Request>): Request => ({
  permissionId: 'p',
  sessionId: 's',
  kind: 'tool',
  toolName: 'Bash',
  toolInput: { command: 'ls' },
  prompt: 'Allow Bash?',
  options: ['allow', 'deny'],
  default: 'deny',
  defaultOption: 'deny',
  timeout: 0,
  ...parts,
});
const option = (label: string, description = '') => ({ label, description });
const answers = (colour: string, size: string) => ({
  response: 'allow',
  remember: false,
  answers: { 'Colour?': colour, 'Size?': size },
});
const noFile = () => undefined;
const questions = asked({
  kind: 'question',
  toolInput: {
    questions: [
      { question: 'Colour?', options: [option('Red', 'Loud'), option('Blue')] },
      { question: 'Size?', multiSelect: true, options: [option('S'), option('L')] },
    ],
  },
  options: ['Red', 'Blue'],
});

describe('a permission request', () => {
  test('shows all that is to be allowed', () => {
    const input = { command: `echo\n${'a'.repeat(500)}; rm -rf ~`, timeout: 5 };
    expect(questionsOf(asked({ toolInput: input }), noFile)[0]?.text).toContain('; rm -rf ~');
  });

  test('offers "always" only where something can be remembered', () => {
    const keys = (options: string[]) => questionsOf(asked({ options }), noFile)[0]?.choices.map(({ key }) => key);
    expect(keys(['allow', 'deny'])).toEqual(['y', 'n', 'r']);
    expect(keys(['allow', 'deny', 'always'])).toEqual(['y', 'n', 'r', 'a']);
  });

  test.each([
    ['y', { response: 'allow', remember: false }],
    ['n', { response: 'deny', remember: false }],
    ['a', { response: 'always', remember: true }],
  ])('is answered by the key %s', (key, reply) => {
    expect(replyOf(asked({}), [{ key }])).toEqual(reply);
  });

  test('shows a plan before it asks for it', () => {
    const [question] = questionsOf(
      asked({ kind: 'plan', toolInput: { plan: '1. Do it' }, prompt: 'Go ahead?' }),
      noFile,
    );
    expect(question?.text).toBe('1. Do it\nGo ahead?');
  });

  test('takes a word beside the key of each choice that allows what defaults to no', () => {
    const careful = { defaultToNo: true, default: 'deny' };
    const keysWithWord = (request: EventData<'permissionRequest'>) =>
      questionsOf(request, noFile).map(({ choices }) =>
        choices.flatMap(({ key, problemOf }) => (problemOf?.('y') && !problemOf('Yes') ? [key] : [])).join(''),
      );
    expect(keysWithWord(asked({ ...careful, options: ['allow', 'deny', 'always'] }))).toEqual(['ya']);
    expect(keysWithWord(asked({ ...careful, kind: 'plan', options: ['allow', 'acceptEdits', 'deny'] }))).toEqual([
      'ye',
    ]);
    expect(keysWithWord({ ...questions, ...careful })).toEqual(['12', '12']);
    expect(keysWithWord(asked({}))).toEqual(['']);
    const given = [
      { key: '2', text: 'yes' },
      { key: '1', text: 'yes' },
    ];
    expect(replyOf({ ...questions, ...careful }, given)).toEqual(answers('Blue', 'S'));
  });

  test('approves a plan into acceptEdits by a key and by its word', () => {
    const plan = asked({ kind: 'plan', toolInput: { plan: '1. Do it' }, options: ['allow', 'acceptEdits', 'deny'] });
    const [question] = questionsOf(plan, noFile);
    expect(question?.choices.map(({ key }) => key).join('')).toBe('yenr');
    const reply = { response: 'acceptEdits', remember: false };
    expect(replyOf(plan, [{ key: 'e' }])).toEqual(reply);
    expect(replyOf(plan, [{ key: 'y' }])).toEqual({ response: 'allow', remember: false });
    expect(replyOfWord(plan, 'acceptEdits', undefined)).toEqual(reply);
    expect(replyOfWord(asked({}), 'acceptEdits', undefined)).toBeUndefined();
  });

  test('puts every question with what its options mean, and answers each by the number of its option', () => {
    const [colour, size] = questionsOf(questions, noFile);
    expect([colour?.text, size?.text]).toEqual(['Colour?', 'Size?']);
    expect(colour?.choices.map(({ key, label }) => `${key} ${label}`)).toEqual([
      '1 Red: Loud',
      '2 Blue',
      'o another answer',
      'n no',
      'r no, and tell Claude why',
    ]);
    expect(replyOf(questions, [{ key: '2' }])).toBeUndefined();
    expect(replyOf(questions, [{ key: '2' }, { key: '1' }])).toEqual(answers('Blue', 'S'));
    expect(replyOf(questions, [{ key: '2' }, { key: 'n' }])).toEqual({ response: 'deny', remember: false });
  });

  test('takes an answer of one’s own, and several options where several may be chosen', () => {
    expect(replyOf(questions, [{ key: 'o', text: 'green' }, { key: '1' }])).toEqual(answers('green', 'S'));
    expect(replyOf(questions, [{ key: '1' }, { key: 'o', text: '1, 2' }])).toEqual(answers('Red', 'S, L'));
    expect(replyOf(questions, [{ key: '1' }, { key: 'o', text: '1, tiny' }])).toEqual(answers('Red', '1, tiny'));
  });

  test('tells Claude why it is denied', () => {
    const denial = { response: 'deny', remember: false, message: 'Not today.' };
    expect(replyOf(asked({}), [{ key: 'r', text: 'Not today.' }])).toEqual(denial);
    expect(replyOfWord(asked({}), 'No', 'Not today.')).toEqual(denial);
  });

  test.each<[string, unknown]>([
    ['allow', { response: 'allow', remember: false }],
    ['Y', { response: 'allow', remember: false }],
    ['always', { response: 'always', remember: true }],
    ['deny', { response: 'deny', remember: false }],
    ['perhaps', undefined],
  ])('is answered by the word %s', (word, reply) => {
    expect(replyOfWord(asked({}), word, undefined)).toEqual(reply);
  });

  test('a question is answered by the number or name of an option, or by other words', () => {
    const one = asked({
      kind: 'question',
      toolInput: { questions: [{ question: 'Sure?', options: [option('Red'), option('no')] }] },
    });
    const reply = (answer: string) => ({ response: 'allow', remember: false, answers: { 'Sure?': answer } });
    expect(replyOfWord(one, '1', undefined)).toEqual(reply('Red'));
    expect(replyOfWord(one, 'no', undefined)).toEqual(reply('no'));
    expect(replyOfWord(one, 'ask me later', undefined)).toEqual(reply('ask me later'));
    expect(replyOfWord(one, 'deny', undefined)).toEqual({ response: 'deny', remember: false });
    expect(replyOfWord(questions, 'Red', undefined)).toBeUndefined();
  });

  test('whose questions cannot be read is asked by its own prompt and options', () => {
    const request = asked({ kind: 'question', toolInput: {}, prompt: 'Colour?', options: ['Red'] });
    const reply = { response: 'allow', remember: false, answers: { 'Colour?': 'Red' } };
    expect(replyOf(request, [{ key: '1' }])).toEqual(reply);
  });

  test('is denied where no person can be asked, unless everything is allowed', () => {
    expect(standingReply(asked({}), { yes: false })).toMatchObject({ response: 'deny', message: expect.any(String) });
    expect(standingReply(asked({}), { yes: true })).toEqual({ response: 'allow', remember: false });
    expect(standingReply(questions, { yes: false })).toMatchObject({ response: 'deny' });
    expect(standingReply(questions, { yes: true })).toMatchObject({ answers: { 'Colour?': 'Red', 'Size?': 'S' } });
    const open = asked({ kind: 'question', toolInput: {}, options: [] });
    expect(standingReply(open, { yes: true })).toMatchObject({ response: 'deny' });
  });
});
