import type { ContentBlock } from '../../../protocol/content.js';
import { decodedLength } from '../../../protocol/scalars.js';
import type { OpenBlock } from '../../ports/claude.js';
import type { CliBlock } from './cli-lines.js';

/** Converts a content block of the CLI to its wire format. */
export function toContentBlock(block: CliBlock): ContentBlock {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: block.text ?? '' };
    case 'thinking':
    case 'redacted_thinking':
      return { type: 'thinking', text: block.thinking ?? '' };
    case 'tool_use':
      return toolUse(block);
    default:
      return { type: block.type, ...(block.text !== undefined && { text: block.text }) };
  }
}

/** A tool use without a name cannot be shown as one; one without an id gets it later. */
function toolUse({ type, id = '', name, input = {} }: CliBlock): ContentBlock {
  return name === undefined ? { type } : { type: 'tool_use', id, name, input };
}

/** Whether the text has no visible content. */
export const isBlank = (text: string | undefined): boolean => (text ?? '').trim() === '';

/** The written part of an interrupted block. */
export function cutContent({ streamType, text, tool }: OpenBlock): ContentBlock {
  if (streamType === 'thinking') return { type: 'thinking', text };
  if (streamType === 'tool_input') return { type: 'tool_use', id: tool?.id ?? '', name: tool?.name ?? '', input: text };
  return { type: 'text', text };
}

/** The text of a tool's result; images and other parts are named, not included. */
export function resultText(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map(partText).join('\n') : partText(content);
}

function partText(part: unknown): string {
  if (typeof part === 'string') return part;
  if (typeof part !== 'object' || part === null) return '';
  if ('text' in part && typeof part.text === 'string') return part.text;
  const type = 'type' in part && typeof part.type === 'string' ? part.type : 'part';
  return `[${type}${imageSize(part)}]`;
}

function imageSize(part: object): string {
  if (!('source' in part) || typeof part.source !== 'object' || part.source === null) return '';
  const { source } = part;
  return 'data' in source && typeof source.data === 'string' ? ` of ${decodedLength(source.data)} bytes` : '';
}
