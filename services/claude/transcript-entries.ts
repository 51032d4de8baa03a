/** What the messages of a transcript say, as the Agent SDK (0.3.329) returns them for Claude Code 2.1.197 and 2.1.329. */
import * as z from 'zod';
import type { ContentBlock } from '../../protocol/content.js';
import { decodedLength } from '../../protocol/scalars.js';
import type { TranscriptEntry } from '../ports/claude.js';
import { type CliBlock, cliBlockSchema } from './cli-lines.js';
import { resultText, toContentBlock } from './content-blocks.js';

const blockSchema = cliBlockSchema.extend({
  source: z.object({ media_type: z.string(), data: z.string() }).optional().catch(undefined),
});
type Block = z.infer<typeof blockSchema>;

/** The SDK's own type leaves most of these out. */
const messageSchema = z.object({
  type: z.enum(['user', 'assistant']),
  uuid: z.string(),
  parent_tool_use_id: z.string().nullish(),
  timestamp: z.string().optional(),
  is_meta: z.boolean().optional(),
  isCompactSummary: z.boolean().optional(),
  isCompletedLocalCommand: z.boolean().optional(),
  origin: z.object({ kind: z.string() }).nullish(),
  message: z.object({
    id: z.string().optional(),
    model: z.string().optional(),
    usage: z.record(z.string(), z.unknown()).optional(),
    content: z.union([z.string(), z.array(blockSchema)]),
  }),
});
type Message = z.infer<typeof messageSchema>;

/** Reduces a conversation to what was said in it. What the CLI wrote for itself, and what is not understood, is left out. */
export function toEntries(messages: readonly unknown[]): TranscriptEntry[] {
  const tools = new Map<string, string>();
  const lengths = new Map<string, number>();
  return messages.flatMap((raw) => {
    const parsed = messageSchema.safeParse(raw);
    if (!parsed.success) return [];
    const message = parsed.data;
    return message.type === 'assistant' ? assistantEntries(message, { tools, lengths }) : userEntries(message, tools);
  });
}

const MAX_PAGE_ENTRIES = 500;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** Pages of at most 500 entries, and of no more after the one with which they exceed 4 MiB of text. */
export function* pagesOf(entries: readonly TranscriptEntry[]): Generator<TranscriptEntry[]> {
  let page: TranscriptEntry[] = [];
  let size = 0;
  for (const entry of entries) {
    page.push(entry);
    size += JSON.stringify(entry).length;
    if (page.length < MAX_PAGE_ENTRIES && size <= MAX_PAGE_BYTES) continue;
    yield page;
    page = [];
    size = 0;
  }
  if (page.length > 0) yield page;
}

const commonOf = ({ uuid, timestamp, parent_tool_use_id: parent }: Message) => {
  const at = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  return { uuid, ...(!Number.isNaN(at) && { at }), ...(parent != null && { parentToolUseId: parent }) };
};

/** What 2.1.197 writes in the place of an answer when a conversation is resumed in the middle of a turn. */
const NO_ANSWER = 'No response requested.';

interface Seen {
  tools: Map<string, string>;
  /** How many blocks of a message there were, by its id. */
  lengths: Map<string, number>;
}

/** Each block of a message is a line of its own, in their order. */
function assistantEntries(message: Message, { tools, lengths }: Seen): TranscriptEntry[] {
  const { id: messageId, model, usage, content } = message.message;
  if (messageId === undefined || typeof content === 'string') return [];
  return content.flatMap((block): TranscriptEntry[] => {
    if (model === '<synthetic>' && block.text === NO_ANSWER) return [];
    if (block.id !== undefined && block.name !== undefined) tools.set(block.id, block.name);
    const blockIndex = lengths.get(messageId) ?? 0;
    lengths.set(messageId, blockIndex + 1);
    const details = { ...(model !== undefined && { model }), ...(usage && { usage }) };
    return [{ kind: 'block', ...commonOf(message), messageId, blockIndex, content: toContentBlock(block), ...details }];
  });
}

function userEntries(message: Message, tools: ReadonlyMap<string, string>): TranscriptEntry[] {
  const { content } = message.message;
  const blocks: Block[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const results = blocks.flatMap((block) => toolResult(message, block, tools));
  const said = blocks.filter(({ type }) => type !== 'tool_result').map(shown);
  const isPersons = said.length > 0 && !isOfTheCli(message) && !said.some(isMarker);
  return isPersons ? [...results, { kind: 'human', ...commonOf(message), content: said }] : results;
}

function toolResult(message: Message, block: CliBlock, tools: ReadonlyMap<string, string>): TranscriptEntry[] {
  if (block.type !== 'tool_result' || block.tool_use_id === undefined) return [];
  const { tool_use_id: toolId, content, is_error: isError } = block;
  const result = { toolId, toolName: tools.get(toolId) ?? '', text: resultText(content), isError: isError ?? false };
  return [{ kind: 'toolResult', ...commonOf(message), ...result }];
}

function shown(block: Block): ContentBlock {
  const { source, text } = block;
  if (block.type === 'image' && source) {
    return { type: 'image', mediaType: source.media_type, bytes: decodedLength(source.data) };
  }
  return block.type === 'text' ? { type: 'text', text: asTyped(text ?? '') } : toContentBlock(block);
}

/** A command with a prompt of its own, such as `/review`, as the person typed it. */
function asTyped(text: string): string {
  const name = text.trimStart().startsWith('<command-') ? tagged(text, 'command-name') : undefined;
  if (name === undefined) return text;
  return `${name} ${tagged(text, 'command-args') ?? ''}`.trim();
}

const tagged = (text: string, tag: string): string | undefined =>
  new RegExp(`<${tag}>([\\s\\S]*)</${tag}>`).exec(text)?.[1]?.trim();

/** Who may have typed it; other origins, such as `task-notification`, are the CLI itself or another program. */
const PERSONS = new Set(['human', 'sdk', 'unknown']);

const isOfTheCli = ({ is_meta: meta, isCompactSummary, isCompletedLocalCommand, origin }: Message): boolean =>
  meta === true || isCompactSummary === true || isCompletedLocalCommand === true || isOfOther(origin?.kind);

const isOfOther = (origin: string | undefined): boolean => origin !== undefined && !PERSONS.has(origin);

/** What the CLI writes in a person's name without any mark beside it, seen on one of the versions at least. */
const MARKERS = [
  '[Request interrupted by user',
  'This session is being continued from a previous conversation',
  'Caveat: The messages below were generated',
  '<task-notification>',
  '<local-command-',
  '<bash-',
  '<system-reminder>',
];

const isMarker = (block: ContentBlock): boolean =>
  'text' in block && MARKERS.some((marker) => block.text?.trimStart().startsWith(marker));
