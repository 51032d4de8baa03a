import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AskView } from '../../cli/ask-view.js';
import { questionsOf, replyOf, standingReply } from '../../cli/permission-question.js';
import { toolResultLine, toolUseLine } from '../../cli/tool-line.js';
import type { EventData } from '../../protocol/events.js';
import { plainLine, plainText } from '../../protocol/plain-text.js';

const ESC = '\u001b';
const CONTROL = /(?![\n\t])\p{Cc}/u;
const hostile = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary' }),
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

  test('says whether it worked, and why not', () => {
    const result = { type: 'tool_result' as const, toolName: 'Bash', toolId: 't', timestamp };
    expect(toolResultLine({ ...result, success: true, result: 'long output' }, 80)).toBe('  Bash ok');
    expect(toolResultLine({ ...result, success: false, error: 'no such file' }, 80)).toBe(
      '  Bash failed: no such file',
    );
    expect(toolResultLine({ ...result, success: false, result: 'exit 1', parentToolUseId: 'p' }, 80)).toBe(
      '    Bash failed: exit 1',
    );
  });
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
const option = (label: string) => ({ label, description: '' });
const questions = asked({
  kind: 'question',
  toolInput: {
    questions: [
      { question: 'Colour?', options: [option('Red'), option('Blue')] },
      { question: 'Size?', options: [option('S'), option('L')] },
    ],
  },
  options: ['Red', 'Blue'],
});

describe('a permission request', () => {
  test('shows all that is to be allowed', () => {
    const input = { command: `echo\n${'a'.repeat(500)}; rm -rf ~`, timeout: 5 };
    expect(questionsOf(asked({ toolInput: input }))[0]?.text).toContain('; rm -rf ~');
  });

  test('offers "always" only where something can be remembered', () => {
    const keys = (options: string[]) => questionsOf(asked({ options }))[0]?.choices.map(({ key }) => key);
    expect(keys(['allow', 'deny'])).toEqual(['y', 'n']);
    expect(keys(['allow', 'deny', 'always'])).toEqual(['y', 'n', 'a']);
  });

  test.each([
    ['y', { response: 'allow', remember: false }],
    ['n', { response: 'deny', remember: false }],
    ['a', { response: 'always', remember: true }],
  ])('is answered by the key %s', (key, reply) => {
    expect(replyOf(asked({}), [key])).toEqual(reply);
  });

  test('shows a plan before it asks for it', () => {
    const [question] = questionsOf(asked({ kind: 'plan', toolInput: { plan: '1. Do it' }, prompt: 'Go ahead?' }));
    expect(question?.text).toBe('1. Do it\nGo ahead?');
  });

  test('puts every question, and answers each by the number of its option', () => {
    expect(questionsOf(questions).map(({ text }) => text)).toEqual(['Colour?', 'Size?']);
    expect(replyOf(questions, ['2'])).toBeUndefined();
    expect(replyOf(questions, ['2', '1'])).toEqual({
      response: 'Blue',
      remember: false,
      answers: { 'Colour?': 'Blue', 'Size?': 'S' },
    });
    expect(replyOf(questions, ['2', 'n'])).toEqual({ response: 'deny', remember: false });
  });

  test('whose questions cannot be read is asked by its own prompt and options', () => {
    const request = asked({ kind: 'question', toolInput: {}, prompt: 'Colour?', options: ['Red'] });
    expect(replyOf(request, ['1'])).toEqual({ response: 'Red', remember: false, answers: { 'Colour?': 'Red' } });
  });

  test('is denied where nobody can be asked, unless everything is allowed', () => {
    expect(standingReply(asked({}), { yes: false })).toMatchObject({ response: 'deny', message: expect.any(String) });
    expect(standingReply(asked({}), { yes: true })).toEqual({ response: 'allow', remember: false });
    expect(standingReply(questions, { yes: false })).toMatchObject({ response: 'deny' });
    expect(standingReply(questions, { yes: true })).toMatchObject({ answers: { 'Colour?': 'Red', 'Size?': 'S' } });
    const open = asked({ kind: 'question', toolInput: {}, options: [] });
    expect(standingReply(open, { yes: true })).toMatchObject({ response: 'deny' });
  });
});
