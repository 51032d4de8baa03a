/** What of an event is found by a search. */
import type { ContentBlock } from '../../../protocol/content.js';
import type { EventData } from '../../../protocol/events.js';
import type { Said } from '../../ports/search.js';

/** UTF-16 units of one event that are looked through. */
const MAX_SAID = 65_536;

/** Undefined for an event in which nobody says anything. Thoughts are not said. */
export function saidIn(type: string, data: string): Said | undefined {
  const said = READERS[type]?.(JSON.parse(data) as never);
  return said && said.text !== '' ? { ...said, text: said.text.slice(0, MAX_SAID) } : undefined;
}

const READERS: Readonly<Record<string, (data: never) => Said>> = {
  humanMessage: ({ content, messageId }: EventData<'humanMessage'>) => ({
    role: 'user',
    text: textIn(content),
    messageId,
  }),
  assistantMessage: ({ content, messageId }: EventData<'assistantMessage'>) => ({
    role: 'assistant',
    text: textIn(content),
    messageId,
  }),
  toolUse: ({ toolName, toolInput, toolId }: EventData<'toolUse'>) => ({
    role: 'tool',
    text: `${toolName}\n${stringsIn(toolInput).join('\n')}`,
    toolName,
    toolId,
  }),
  toolResult: ({ toolName, toolId, result, error }: EventData<'toolResult'>) => ({
    role: 'tool',
    text: result ?? error ?? '',
    toolName,
    toolId,
  }),
};

const textIn = (content: readonly ContentBlock[]): string =>
  content.flatMap((block) => (block.type === 'text' && 'text' in block ? (block.text ?? '') : [])).join('\n');

const MAX_DEPTH = 8;

/** The values of a tool's input; names of its fields are not said. */
function stringsIn(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return [];
  return Object.values(value).flatMap((one) => stringsIn(one, depth + 1));
}
