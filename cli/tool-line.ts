import type { EventData } from '../protocol/events.js';
import { plainLine, plainText } from '../protocol/plain-text.js';

/** Input fields that best describe a tool call, the most informative first. */
const TELLING = ['command', 'file_path', 'notebook_path', 'path', 'pattern', 'url', 'query', 'skill', 'description'];

/** The most informative field of a tool's input; empty when there is none. */
export function tellingField(input: unknown): string {
  if (typeof input !== 'object' || input === null) return '';
  const fields = new Map<string, unknown>(Object.entries(input));
  const names = [...TELLING, ...fields.keys()];
  const found = names.map((name) => fields.get(name)).find((value) => typeof value === 'string' && value !== '');
  return typeof found === 'string' ? found : '';
}

/** A tool call in one line. A subagent's is indented. */
export function toolUseLine({ toolName, toolInput, parentToolUseId }: EventData<'toolUse'>, width: number): string {
  return plainLine(`${toolName} ${tellingField(toolInput)}`, width - 6).replace(/^/u, `${indentOf(parentToolUseId)}> `);
}

const MAX_FAILURE = 500;

/** The result of a tool call: a line with its success or failure, and the end of its output. */
export function toolResultLines(data: EventData<'toolResult'>, width: number): string[] {
  const { toolName, success, error = '', result = '', parentToolUseId } = data;
  const output = success ? result : error || result;
  const indent = `${indentOf(parentToolUseId)}  `;
  const lines = toolOutput(output, { width, indent: `${indent}  ` });
  const outcome = success ? 'ok' : 'failed';
  const [only, ...more] = lines;
  // A single line is not cut, since it can contain advice.
  if (!success && only !== undefined && more.length === 0) {
    return [indent + plainLine(`${toolName} failed: ${output}`, MAX_FAILURE)];
  }
  return [indent + plainLine(`${toolName} ${outcome}`, width - indent.length - 1), ...lines];
}

const indentOf = (parentToolUseId: string | undefined) => (parentToolUseId === undefined ? '' : '  ');

const MAX_LINES = 10;
/** Only this much of the output's end is read. */
const MAX_LOOKED = 64 * 1024;

/** The last lines of a tool's output, indented, each at most as wide as the screen. */
function toolOutput(output: string, { width, indent }: { width: number; indent: string }): string[] {
  const end = plainText(output.slice(-MAX_LOOKED)).replace(/\s+$/u, '');
  if (end === '') return [];
  const lines = end.split('\n');
  const shown = lines.slice(-MAX_LINES).map((line) => indent + cut(line, width - indent.length - 1));
  const before = lines.length - shown.length;
  const isCut = before > 0 || output.length > MAX_LOOKED;
  const more = output.length > MAX_LOOKED ? 'more lines' : before === 1 ? '1 more line' : `${before} more lines`;
  return isCut ? [`${indent}… ${more} above`, ...shown] : shown;
}

/** Leading space is kept. */
function cut(line: string, width: number): string {
  const space = /^\s*/u.exec(line)?.[0].replaceAll('\t', '  ') ?? '';
  return space.slice(0, width) + plainLine(line, Math.max(1, width - space.length));
}
