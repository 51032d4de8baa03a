import * as z from 'zod';
import { cutText } from '../protocol/cut-text.js';
import { lineDiff } from './line-diff.js';
import { tellingField } from './tool-line.js';

/** Limit for the preview on a screen, in characters. */
const MAX_SHOWN = 8_000;

const editSchema = z.object({ old_string: z.string(), new_string: z.string(), replace_all: z.boolean().optional() });
const previewSchemas = {
  Edit: editSchema.extend({ file_path: z.string() }),
  MultiEdit: z.object({ file_path: z.string(), edits: z.array(editSchema).min(1) }),
  Write: z.object({ file_path: z.string(), content: z.string() }),
  NotebookEdit: z.object({ notebook_path: z.string(), new_source: z.string() }),
};

interface ToolCall {
  toolName: string;
  toolInput: unknown;
}

/** The existing file; without `text` where it cannot be shown, and undefined where there is none. */
export type ReadFile = (path: string) => { text?: string } | undefined;

/** Everything that is about to be allowed: changes of files line by line, commands verbatim, the rest as JSON. */
export const toolPreview = (call: ToolCall, readFile: ReadFile): string =>
  bounded(changeOf(call, readFile) ?? plainInput(call.toolInput));

function changeOf({ toolName, toolInput }: ToolCall, readFile: ReadFile): string | undefined {
  const edit = previewSchemas.Edit.safeParse(toolInput);
  if (toolName === 'Edit' && edit.success) return editText(edit.data.file_path, [edit.data]);
  const multi = previewSchemas.MultiEdit.safeParse(toolInput);
  if (toolName === 'MultiEdit' && multi.success) return editText(multi.data.file_path, multi.data.edits);
  const write = previewSchemas.Write.safeParse(toolInput);
  if (toolName === 'Write' && write.success) return writeText(write.data, readFile);
  const notebook = previewSchemas.NotebookEdit.safeParse(toolInput);
  if (toolName !== 'NotebookEdit' || !notebook.success) return undefined;
  return [notebook.data.notebook_path, ...lineDiff('', notebook.data.new_source)].join('\n');
}

const editText = (path: string, edits: readonly z.infer<typeof editSchema>[]): string =>
  [
    path,
    ...edits.flatMap(({ old_string: before, new_string: after, replace_all: all }) => [
      ...(all ? ['everywhere in the file:'] : []),
      ...lineDiff(before, after),
    ]),
  ].join('\n');

function writeText({ file_path: path, content }: { file_path: string; content: string }, readFile: ReadFile): string {
  const present = readFile(path);
  if (!present) return [`${path} (new file)`, ...lineDiff('', content)].join('\n');
  const changes = lineDiff(present.text ?? '', content);
  return [`${path} (replaces the file)`, ...(changes.length > 0 ? changes : ['  no change'])].join('\n');
}

/** A command verbatim, with the other fields below it; the text of the only field; otherwise JSON. */
function plainInput(input: unknown): string {
  const fields = typeof input === 'object' && input !== null ? Object.entries(input) : [];
  const telling = tellingField(input);
  if (telling !== '' && fields.length === 1) return telling;
  const command = fields.find(([name]) => name === 'command')?.[1];
  if (typeof command !== 'string') return JSON.stringify(input, null, 2) ?? '';
  // The question includes the description of the command.
  const others = fields.filter(([name]) => name !== 'command' && name !== 'description');
  return [command, ...others.map(([name, value]) => `${name}: ${JSON.stringify(value)}`)].join('\n');
}

function bounded(text: string): string {
  if (text.length <= MAX_SHOWN) return text;
  return `${cutText(text, MAX_SHOWN)}\n… ${text.length - MAX_SHOWN} more characters are not shown.`;
}
