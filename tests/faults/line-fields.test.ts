/** Lines of the CLI in which one field is missing, null, of another kind or there twice: no text is lost, nor a line. */
import { describe, expect, test } from '@jest/globals';
import type { ContentBlock } from '../../protocol/content.js';
import { FactReader } from '../../services/claude/stream/fact-reader.js';
import { LineSplitter } from '../../services/claude/stream/line-splitter.js';
import type { CliFact } from '../../services/ports/claude.js';
import { cutOf } from '../support/counts.js';
import { RECORDED, recordedLines } from './support/recorded-lines.js';

/** Of the variants of each line, one in so many. */
const EACH = 7;

const OTHERS = ['"\\u001b[31m\\ud800"', '-1', '1e999', '{}', '[]', 'true', '[{"x":[null]}]', '""'];

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    return [at, ...pathsOf(inner, at)];
  });
}

/** The line as text, with something else in the place of one field; undefined: without it. */
function spoil(line: object, path: Path, other: string | undefined): string {
  const mark = '@@spoilt@@';
  const copy = structuredClone(line) as Record<string | number, unknown>;
  let holder = copy;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (other !== undefined) holder[last] = mark;
  else if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete holder[last];
  return JSON.stringify(copy).replace(`"${mark}"`, other ?? '');
}

/** The line with one of its fields twice, the second time as it was. */
function repeat(line: object, key: string): string {
  const value = JSON.stringify((line as Record<string, unknown>)[key]);
  return `{${JSON.stringify(key)}:0,${JSON.stringify(line).slice(1, -1)},${JSON.stringify(key)}:${value}}`;
}

function read(lines: readonly string[]): CliFact[] {
  const reader = new FactReader({ childId: 'c', isTaken: () => false, onControlResponse: () => [] });
  const splitter = new LineSplitter(0, 1e9);
  return splitter.push(Buffer.from(`${lines.join('\n')}\n`)).flatMap((line) => reader.read(line).facts);
}

/** What a person gets to read, in order. */
const saidIn = (facts: readonly CliFact[]): string[] => facts.flatMap((fact) => wordsOf(fact) ?? []);

function wordsOf(fact: CliFact): string | undefined {
  if (fact.kind === 'block') return blockWords(fact.content);
  if (fact.kind === 'blockCut') return fact.cut.block.text.trim() === '' ? undefined : `cut ${fact.cut.block.text}`;
  if (fact.kind === 'toolResult') return `result ${fact.text}`;
  return fact.kind === 'result' ? 'end' : undefined;
}

function blockWords(block: ContentBlock): string | undefined {
  if (block.type === 'text' && 'text' in block) return `text ${block.text}`;
  return 'input' in block ? `tool ${JSON.stringify(block.input)}` : undefined;
}

/** The fields in which the words themselves are: what is put in their place takes them away. */
const isWords = (path: Path): boolean => {
  const last = path.at(-1);
  return (
    path.some((key) => ['input', 'content', 'text', 'partial_json', 'result', 'message'].includes(String(key))) &&
    !['id', 'model', 'usage', 'role', 'stop_reason', 'stop_sequence', 'is_error', 'caller', 'signature'].includes(
      String(last),
    )
  );
};

describe.each(RECORDED)('a line of Claude Code %s of which one field is spoilt', (version) => {
  const lines = recordedLines(version);
  const whole = saidIn(read(lines));

  test('stands in a turn that says something of each kind', () => {
    expect(whole).toEqual([
      'text I make a file.',
      'tool {"command":"echo made > made","description":"x"}',
      'result (Bash completed with no output)',
      'text It is there.',
      'end',
    ]);
  });

  test('costs that field: all that the turn says is said, once, and it ends', () => {
    const variants = lines.flatMap((text, index) => variantsOf(text).map((variant) => ({ index, variant })));
    const tried = cutOf(variants, EACH);
    for (const { index, variant } of tried) {
      const where = `${variant.path.join('.')} in ${variant.text.slice(0, 400)}`;
      expect({ where, said: saidIn(read(lines.with(index, variant.text))) }).toEqual({ where, said: whole });
    }
    expect(tried.length).toBeGreaterThan(300);
  });
});

function variantsOf(text: string, isLeft = isWords): { path: Path; text: string }[] {
  const line = JSON.parse(text) as object;
  const spoilt = pathsOf(line)
    .filter((path) => !isLeft(path))
    .flatMap((path) => [undefined, 'null', ...OTHERS].map((other) => ({ path, text: spoil(line, path, other) })));
  return [...spoilt, ...Object.keys(line).map((key) => ({ path: [key], text: repeat(line, key) }))];
}

/** Lines that the recorded turns do not contain, with the words in each that a person has to get. */
const OTHER_LINES: [name: string, words: string, line: object][] = [
  ['informational', 'Words.', { type: 'system', subtype: 'informational', content: 'Words.', level: 'warning' }],
  ['a subtype of tomorrow', 'Words.', { type: 'system', subtype: 'of_tomorrow', message: 'Words.', level: 'info' }],
  [
    'hook_response',
    'Words.',
    { type: 'system', subtype: 'hook_response', hook_name: 'Stop', output: '{"reason":"Words."}', exit_code: 0 },
  ],
  [
    'permission_denied',
    'Words.',
    { type: 'system', subtype: 'permission_denied', tool_name: 'Bash', decision_reason: 'Words.', tool_use_id: 't' },
  ],
  [
    'api_retry',
    '529',
    { type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 10, retry_delay_ms: 500, error_status: 529 },
  ],
  [
    'compact_boundary',
    'compacted',
    {
      type: 'system',
      subtype: 'compact_boundary',
      compact_metadata: { trigger: 'auto', pre_tokens: 9, post_tokens: 1 },
    },
  ],
  [
    'task_started',
    'Words.',
    { type: 'system', subtype: 'task_started', task_id: 'b1', task_type: 'local_bash', description: 'Words.' },
  ],
  [
    'background_tasks_changed',
    'Words.',
    {
      type: 'system',
      subtype: 'background_tasks_changed',
      tasks: [{ task_id: 'b1', task_type: 'local_bash', description: 'Words.' }],
    },
  ],
  ['session_writes_lost', 'Words', { type: 'system', subtype: 'session_writes_lost', lost: ['Words'] }],
  ['plugin_install', 'Words.', { type: 'system', subtype: 'plugin_install', name: 'a plugin', error: 'Words.' }],
  ['auth_status', 'Words.', { type: 'auth_status', isAuthenticating: false, output: [], error: 'Words.' }],
  [
    'rate_limit_event',
    'limit',
    { type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: 1, rateLimitType: 'five_hour' } },
  ],
  [
    'can_use_tool',
    'Words.',
    {
      type: 'control_request',
      request_id: 'r1',
      request: {
        subtype: 'can_use_tool',
        tool_name: 'Bash',
        tool_use_id: 't1',
        input: { command: 'Words.' },
        permission_suggestions: [{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }],
        description: 'why',
        decision_reason: 'because',
        blocked_path: '/x',
      },
    },
  ],
  [
    'elicitation',
    'Words.',
    {
      type: 'control_request',
      request_id: 'r2',
      request: { subtype: 'elicitation', mcp_server_name: 'forms', message: 'Words.', mode: 'form' },
    },
  ],
  ['control_cancel_request', 'r1', { type: 'control_cancel_request', request_id: 'r1' }],
  ['command_lifecycle', 'u1', { type: 'command_lifecycle', command_uuid: 'u1', state: 'started' }],
  ['conversation_reset', 'cleared', { type: 'conversation_reset', new_conversation_id: 'c2' }],
];

/** Fields that say what the line is, or without which there is nothing to say or to answer. */
const ESSENTIAL =
  /^(type|subtype|request_id|command_uuid|state|task_id|tasks\.0\.task_id|request|request\.(subtype|tool_name)|rate_limit_info(\.status)?)$/;

describe.each(OTHER_LINES)('a line of %s of which one field is spoilt', (_, words, line) => {
  const said = (text: string) => JSON.stringify(read([text]));
  const holdsWords = (path: Path): boolean => {
    const value = path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)[key], line);
    return JSON.stringify(value).includes(words);
  };

  test('says its words whole', () => {
    expect(said(JSON.stringify(line))).toContain(words);
  });

  test('costs that field alone', () => {
    for (const { path, text } of variantsOf(JSON.stringify(line), () => false)) {
      const where = `${path.join('.')} in ${text}`;
      const got = said(text);
      if (ESSENTIAL.test(path.join('.'))) continue;
      expect({ where, got }).not.toMatchObject({ got: expect.stringContaining('"garbage"') });
      if (holdsWords(path)) continue;
      expect({ where, got }).toEqual({ where, got: expect.stringContaining(words) });
    }
  });
});
