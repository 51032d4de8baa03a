import type { EventData } from '../protocol/events.js';
import { plainLine } from '../protocol/plain-text.js';

/** Input fields that say most about what a tool is about to do, the most telling first. */
const TELLING = ['command', 'file_path', 'notebook_path', 'path', 'pattern', 'url', 'query', 'skill', 'description'];

/** The most telling field of a tool's input; empty when there is none. */
export function tellingField(input: unknown): string {
  if (typeof input !== 'object' || input === null) return '';
  const fields = new Map<string, unknown>(Object.entries(input));
  const names = [...TELLING, ...fields.keys()];
  const found = names.map((name) => fields.get(name)).find((value) => typeof value === 'string' && value !== '');
  return typeof found === 'string' ? found : '';
}

/** A tool call in one line. A subagent's is set in. */
export function toolUseLine({ toolName, toolInput, parentToolUseId }: EventData<'toolUse'>, width: number): string {
  return plainLine(`${toolName} ${tellingField(toolInput)}`, width - 6).replace(/^/u, `${indentOf(parentToolUseId)}> `);
}

/** What became of a tool call, in one line; why, where it failed. */
export function toolResultLine(data: EventData<'toolResult'>, width: number): string {
  const { toolName, success, error = '', result = '', parentToolUseId } = data;
  const outcome = success ? 'ok' : `failed: ${error || result}`;
  return indentOf(parentToolUseId) + plainLine(`${toolName} ${outcome}`, width - 6).replace(/^/u, '  ');
}

const indentOf = (parentToolUseId: string | undefined) => (parentToolUseId === undefined ? '' : '  ');
