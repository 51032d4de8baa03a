/**
 * The name, the tag and the archive mark of a conversation, as the CLI and the Agent SDK keep them (2.1.197 to 2.1.332):
 * lines `custom-title` and `tag` of the transcript, of which the last counts, and `custom-title.json` and
 * `archived.json` in the folder beside it. Only the ends of the transcript are read, as the SDK does.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { plainLine } from '../../../protocol/plain-text.js';
import { MAX_TAG } from '../../../protocol/scalars.js';
import type { ConversationLabels, LabelsReading } from '../../ports/transcripts.js';
import { lookAt } from './transcript-location.js';

/** Bytes at each end of the transcript. */
const END_BYTES = 64 * 1024;
const MAX_TITLE = 200;

const titleSchema = z.object({ customTitle: z.string() });
const titleLineSchema = titleSchema.extend({ type: z.literal('custom-title') });
const tagLineSchema = z.object({ type: z.literal('tag'), tag: z.string() });
const archivedSchema = z.object({ archived: z.boolean(), at: z.iso.datetime({ offset: true }) });

/** What a person has typed: of a turn, or while one ran. */
const promptSchema = z.object({
  timestamp: z.iso.datetime({ offset: true }),
  isMeta: z.literal(false).optional(),
  isSidechain: z.literal(false).optional(),
  isCompactSummary: z.literal(false).optional(),
  origin: z.object({ kind: z.enum(['human', 'sdk', 'unknown']) }).optional(),
});
const typedSchema = z.union([
  promptSchema.extend({ type: z.literal('user'), message: z.object({ content: z.unknown() }) }),
  promptSchema.extend({ type: z.literal('attachment'), attachment: z.object({ type: z.literal('queued_command') }) }),
]);

/** The labels, unless the files are as they were at this stamp. Undefined also when there is no such transcript. */
export async function readLabels(path: string, stamp: string | undefined): Promise<LabelsReading | undefined> {
  const folder = join(path, '..', basename(path, '.jsonl'));
  const titlePath = join(folder, 'custom-title.json');
  const archivedPath = join(folder, 'archived.json');
  const found = await Promise.all([path, titlePath, archivedPath].map(lookAt));
  const [transcript, title, archived] = found;
  const present = found.map((place) => (place ? `${place.size}:${place.mtimeMs}` : '')).join('/');
  if (!transcript || present === stamp) return undefined;
  const ends = await readEnds(path, transcript.size);
  return {
    path,
    stamp: present,
    ...titleOf(ends, title && (await readSidecar(titlePath, titleSchema))),
    ...tagOf(ends),
    ...archivedOf(ends, archived && (await readSidecar(archivedPath, archivedSchema))),
  };
}

/** `head`: empty when the tail is the whole file. */
interface Ends {
  head: Buffer;
  tail: Buffer;
}

const NOTHING = Buffer.alloc(0);

async function readEnds(path: string, size: number): Promise<Ends> {
  // Whatever has taken the place of the file meanwhile must not hold up the daemon.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const tail = await readAt(file, Math.max(0, size - END_BYTES));
    return { head: size > END_BYTES ? await readAt(file, 0) : NOTHING, tail };
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(END_BYTES), 0, END_BYTES, position);
  return buffer.subarray(0, bytesRead);
}

/** Undefined for a file that cannot be read, is too large, or has other contents. */
async function readSidecar<Schema extends z.ZodType>(path: string, schema: Schema) {
  const { tail } = await readEnds(path, 0).catch(() => {
    // It is gone, or no file: for the CLI there is none either.
    return { tail: NOTHING };
  });
  return parse(tail.toString(), schema);
}

function parse<Schema extends z.ZodType>(json: string, schema: Schema): z.output<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    // A line that is cut, or a file that is being written.
    return undefined;
  }
}

/** The last line with this mark that fits. A line that is cut fits no schema. */
function lastOf<Schema extends z.ZodType>(bytes: Buffer, mark: string, schema: Schema) {
  let end = bytes.length;
  for (let at = bytes.lastIndexOf(mark); at >= 0 && end > 0; at = bytes.lastIndexOf(mark, end - 1)) {
    const start = bytes.lastIndexOf('\n', at) + 1;
    const found = parse(lineAt(bytes, start), schema);
    if (found !== undefined) return found;
    end = start - 1;
  }
  return undefined;
}

function lineAt(bytes: Buffer, start: number): string {
  const end = bytes.indexOf('\n', start);
  return bytes.toString('utf8', start, end < 0 ? bytes.length : end);
}

const TITLE_MARK = '"type":"custom-title"';
const TAG_MARK = '"type":"tag"';

/** The CLI repeats the name at the end of the transcript, so an end without one is older than the file beside it. */
function titleOf({ head, tail }: Ends, beside: { customTitle: string } | undefined): Pick<ConversationLabels, 'title'> {
  const found = lastOf(tail, TITLE_MARK, titleLineSchema) ?? beside ?? lastOf(head, TITLE_MARK, titleLineSchema);
  const title = plainLine(found?.customTitle ?? '', MAX_TITLE);
  return title === '' ? {} : { title };
}

/** Empty: it was removed. Absent: nothing is said of it in what was read. */
function tagOf({ head, tail }: Ends): Pick<ConversationLabels, 'tag'> {
  const found = lastOf(tail, TAG_MARK, tagLineSchema) ?? lastOf(head, TAG_MARK, tagLineSchema);
  return found ? { tag: plainLine(found.tag, MAX_TAG) } : {};
}

/** A later prompt ends the archive: 2.1.332 writes that into the file, 2.1.197 does not. */
function archivedOf(
  { tail }: Ends,
  beside: z.output<typeof archivedSchema> | undefined,
): Pick<ConversationLabels, 'archived'> {
  if (!beside) return {};
  const at = Date.parse(beside.at);
  const endedAt = beside.archived ? promptAfter(tail, at) : undefined;
  return { archived: endedAt === undefined ? { is: beside.archived, at } : { is: false, at: endedAt } };
}

/** When a person has typed something after this time; epoch milliseconds. */
function promptAfter(bytes: Buffer, at: number): number | undefined {
  for (const line of bytes.toString().split('\n')) {
    if (!line.includes('"type":"user"') && !line.includes('"queued_command"')) continue;
    const typed = parse(line, typedSchema);
    const typedAt = typed && isTyped(typed) ? Date.parse(typed.timestamp) : Number.NaN;
    if (typedAt > at) return typedAt;
  }
  return undefined;
}

/** Not the result of a tool, nor what the CLI says in the person's name. */
function isTyped(line: z.output<typeof typedSchema>): boolean {
  if (line.type === 'attachment') return true;
  const { content } = line.message;
  const blocks: unknown[] = Array.isArray(content) ? content : [{ type: 'text', text: content }];
  return blocks.some(isTypedBlock) && !blocks.some((block) => typeOf(block) === 'tool_result');
}

const typeOf = (block: unknown): unknown => (block as { type?: unknown } | null)?.type;

function isTypedBlock(block: unknown): boolean {
  const { text } = (block ?? {}) as { text?: unknown };
  return typeOf(block) === 'image' || (typeof text === 'string' && !/^\s*(?:<|$)/.test(text));
}
