/** Events that are too large for a row: the row has them cut, and names the blob that has the whole. */
import type { BlobRef, BlobStore } from '../ports/blobs.js';
import type { EventRecord, NewEvent, SessionChange } from '../ports/records.js';

/** A change whose large events are in blobs. */
export interface KeptChange extends SessionChange {
  events: EventRecord[];
}

/** Writes the whole of what is cut beside the journal, synced. Rejects with `STORAGE_FULL`, and leaves nothing then. */
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

/** The blobs that these events name. */
export const idsOf = (events: readonly EventRecord[]): string[] => events.flatMap(({ blob }) => blob?.id ?? []);

/** Of a column of rows. */
export const blobIds = (columns: readonly (string | null)[]): string[] =>
  columns.flatMap((column) => (column === null ? [] : (JSON.parse(column) as BlobRef).id));
