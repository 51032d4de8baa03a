/** Events too large for a row: the row stores them cut and names the blob with the full data. */
import type { BlobRef, BlobStore } from '../ports/blobs.js';
import type { EventRecord, NewEvent, SessionChange } from '../ports/records.js';

/** A change whose large events are stored in blobs. */
export interface KeptChange extends SessionChange {
  events: EventRecord[];
}

/** Writes the full data of cut events beside the journal, synced. Rejects with `STORAGE_FULL`, leaving nothing. */
export async function keepWholes(blobs: BlobStore, change: SessionChange): Promise<KeptChange> {
  if (change.events.every(({ whole }) => whole === undefined)) return change;
  const events: EventRecord[] = [];
  try {
    for (const event of change.events) events.push(await keepWhole(blobs, event));
  } catch (error) {
    await blobs.remove(idsOf(events));
    throw error;
  }
  return { ...change, events };
}

async function keepWhole(blobs: BlobStore, { whole, ...event }: NewEvent): Promise<EventRecord> {
  return whole === undefined ? event : { ...event, blob: await blobs.write([Buffer.from(whole)]) };
}

/** The blobs named by these events. */
export const idsOf = (events: readonly EventRecord[]): string[] => events.flatMap(({ blob }) => blob?.id ?? []);

/** The blobs named in a column of rows. */
export const blobIds = (columns: readonly (string | null)[]): string[] =>
  columns.flatMap((column) => (column === null ? [] : (JSON.parse(column) as BlobRef).id));
