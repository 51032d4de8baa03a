import { MAX_INLINE_PROMPT_BYTES } from '../../protocol/limits.js';
import type { Attachment } from '../../protocol/scalars.js';
import type { PromptContents } from '../ports/records.js';
import type { BlobFiles } from './blob-files.js';
import { rowCheckOf } from './meta-rows.js';
import { splitContents } from './prompt-contents.js';
import { withSum } from './row-sums.js';
import type { PromptRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/**
 * Moves the attachments and long texts of queued prompts out of rows written by an older version, one row at a time:
 * together they can exceed the memory. Returns the number moved.
 */
export function moveInline(database: SqliteDatabase, blobs: BlobFiles): number {
  const check = rowCheckOf(database);
  const large = database
    .prepare<[], string>(
      `SELECT prompt_id FROM prompts WHERE state IN ('queued', 'dispatching', 'processing')
         AND (substr(attachments, 1, 1) = '[' OR attachments IS NULL AND octet_length(text) > ${MAX_INLINE_PROMPT_BYTES})`,
    )
    .pluck()
    .all();
  const read = database.prepare<[string], PromptRow>('SELECT * FROM prompts WHERE prompt_id = ?');
  const write = database.prepare(
    'UPDATE prompts SET text = @text, attachments = @attachments, sum = @sum WHERE prompt_id = @prompt_id',
  );
  for (const id of large) {
    const row = read.get(id);
    if (!row) continue;
    const { text, parts, shape } = splitContents(contentsOf(check('prompts', row)));
    const body = parts.length === 0 ? null : JSON.stringify({ ...blobs.writeSync(parts), ...shape });
    write.run(withSum('prompts', { ...row, text, attachments: body }));
  }
  return large.length;
}

function contentsOf({ text, attachments }: PromptRow): PromptContents {
  const inline = attachments === null ? [] : (JSON.parse(attachments) as Attachment[]);
  return { text, images: inline.map(({ mediaType, data }) => ({ mediaType, data: Buffer.from(data, 'latin1') })) };
}
