/** The messages of a transcript, as the Agent SDK (0.3.329) returns them for Claude Code 2.1.197 and 2.1.329. */

import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { ContentBlock } from '../../../protocol/content.js';
import { ownId } from '../../../protocol/foreign-ids.js';
import { decodedLength } from '../../../protocol/scalars.js';
import type { TranscriptEntry } from '../../ports/transcripts.js';
import {
  type CliBlock,
  cliContentSchema,
  foreignId,
  lenient,
  shownName,
  usage,
  wellFormedValue,
} from '../stream/cli-lines.js';
import { isBlank, resultText, toContentBlock } from '../stream/content-blocks.js';

type Block = CliBlock;

/** The SDK's own type omits most of these. */
const messageSchema = z.object({
  type: z.enum(['user', 'assistant']),
  uuid: z.string(),
  parent_tool_use_id: lenient(foreignId),
  timestamp: lenient(z.string()),
  is_meta: lenient(z.boolean()),
  isCompactSummary: lenient(z.boolean()),
  isCompletedLocalCommand: lenient(z.boolean()),
  origin: lenient(z.object({ kind: z.string() })),
  message: z.object({
    id: lenient(foreignId),
    model: lenient(shownName),
    usage: lenient(usage),
    content: cliContentSchema,
  }),
});
type Message = z.infer<typeof messageSchema>;

/** Reduces a conversation to what was said in it. The CLI's internal messages and unknown ones are omitted. */
export function toEntries(messages: readonly unknown[]): TranscriptEntry[] {
  const seen: Seen = { tools: new Map(), names: new TranscriptNames() };
  return messages.flatMap((raw) => {
    const parsed = messageSchema.safeParse(wellFormedValue(raw));
    if (!parsed.success) return [];
    const message = parsed.data;
    return message.type === 'assistant' ? assistantEntries(message, seen) : userEntries(message, seen);
  });
}

const MAX_PAGE_ENTRIES = 500;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** Pages of at most 500 entries, each ended by the entry that exceeds 4 MiB of text. */
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
  return { uuid, ...(!Number.isNaN(at) && { at }), ...(parent !== undefined && { parentToolUseId: parent }) };
};

/** Written by 2.1.197 in place of an answer when a conversation is resumed in the middle of a turn. */
const NO_ANSWER = 'No response requested.';
const SYNTHETIC = '<synthetic>';

interface Seen {
  /** Names of tools, by the CLI's ids of their uses. */
  tools: Map<string, string>;
  names: TranscriptNames;
}

/** Each block of a message is a separate line, in order. Blank text is omitted. */
function assistantEntries(message: Message, { tools, names }: Seen): TranscriptEntry[] {
  const { id, model, usage: counts, content } = message.message;
  return content.flatMap((block): TranscriptEntry[] => {
    if (model === SYNTHETIC && block.text === NO_ANSWER) return [];
    if (block.id !== undefined && block.name !== undefined) tools.set(block.id, block.name);
    const place = names.place({ id, uuid: message.uuid, isToolUse: block.type === 'tool_use' });
    if (block.type === 'text' && isBlank(block.text)) return [];
    const details = { ...(model !== undefined && { model }), ...(counts && { usage: counts }) };
    return [{ kind: 'block', ...commonOf(message), ...place, content: toContentBlock(block), ...details }];
  });
}

function userEntries(message: Message, { tools, names }: Seen): TranscriptEntry[] {
  const blocks: Block[] = message.message.content;
  const results = blocks.flatMap((block) => toolResult(message, block, tools));
  const said = blocks.filter(({ type }) => type !== 'tool_result').map(shown);
  const isPersons = said.length > 0 && !isOfTheCli(message) && !said.some(isMarker);
  names.answered({ byPerson: results.length === 0 });
  return isPersons ? [...results, { kind: 'human', ...commonOf(message), content: said }] : results;
}

function toolResult(message: Message, block: CliBlock, tools: ReadonlyMap<string, string>): TranscriptEntry[] {
  if (block.type !== 'tool_result') return [];
  const { tool_use_id: toolId = '', content, is_error: isError } = block;
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

/** A command with its own prompt, such as `/review`, as the person typed it. */
function asTyped(text: string): string {
  const name = text.trimStart().startsWith('<command-') ? tagged(text, 'command-name') : undefined;
  if (name === undefined) return text;
  return `${name} ${tagged(text, 'command-args') ?? ''}`.trim();
}

const tagged = (text: string, tag: string): string | undefined =>
  new RegExp(`<${tag}>([\\s\\S]*)</${tag}>`).exec(text)?.[1]?.trim();

/** Origins of typed messages; others, such as `task-notification`, are the CLI itself or another program. */
const PERSONS = new Set(['human', 'sdk', 'unknown']);

const isOfTheCli = ({ is_meta: meta, isCompactSummary, isCompletedLocalCommand, origin }: Message): boolean =>
  meta === true || isCompactSummary === true || isCompletedLocalCommand === true || isOfOther(origin?.kind);

const isOfOther = (origin: string | undefined): boolean => origin !== undefined && !PERSONS.has(origin);

/** Texts that the CLI writes as the person without any other mark, seen on at least one of the versions. */
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

interface Named {
  messageId: string;
  /** The number of blocks so far. */
  length: number;
}

interface TranscriptLine {
  /** The API's id. */
  id: string | undefined;
  uuid: string;
  isToolUse: boolean;
}

/**
 * Assigns blocks of a transcript to messages. A message is identified by its id; a block with a missing id, or that of
 * an earlier message, is a message of its own. The API is called again when a person has spoken, or when tools have
 * answered and no other is called: a message can call one after another's result has arrived.
 */
class TranscriptNames {
  readonly #known = new Map<string, Named>();
  #last: { id: string | undefined; named: Named } | undefined;
  #answered: 'no' | 'by tools' | 'by a person' = 'no';

  place({ id, uuid, isToolUse }: TranscriptLine): { messageId: string; blockIndex: number } {
    const isNext = this.#answered === 'by a person' || (this.#answered === 'by tools' && !isToolUse);
    const isSame = this.#last && this.#last.id === id && !isNext;
    const named = isSame && this.#last ? this.#last.named : this.#name(id, uuid);
    this.#last = { id, named };
    this.#answered = 'no';
    named.length += 1;
    return { messageId: named.messageId, blockIndex: named.length - 1 };
  }

  /** The conversation continued with a message that is not Claude's. */
  answered({ byPerson }: { byPerson: boolean }): void {
    if (this.#answered !== 'by a person') this.#answered = byPerson ? 'by a person' : 'by tools';
  }

  #name(id: string | undefined, uuid: string): Named {
    const isFree = id !== undefined && !this.#known.has(id);
    const messageId = isFree ? id : ownId(id, createHash('sha256').update(uuid).digest('hex'));
    const named = { messageId, length: 0 };
    this.#known.set(messageId, named);
    return named;
  }
}
