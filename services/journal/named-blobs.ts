import type { BlobRef } from '../ports/blobs.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** The ids of all blobs named by a row of the journal. */
export function namedBlobs(database: SqliteDatabase): Set<string> {
  const rows = database
    .prepare<[], string>(
      `SELECT attachments FROM prompts WHERE attachments IS NOT NULL
       UNION ALL SELECT blob FROM events INDEXED BY events_with_blob WHERE blob IS NOT NULL`,
    )
    .pluck();
  const named = new Set<string>();
  for (const row of rows.iterate()) named.add((JSON.parse(row) as BlobRef).id);
  return named;
}
