import { MAX_INLINE_PROMPT_BYTES } from '../../protocol/limits.js';
import type { BlobStore } from '../ports/blobs.js';
import type { KeptContents, PromptBody, PromptContents } from '../ports/records.js';

/** Beginning of a longer text that the record keeps, in UTF-16 units: enough to tell prompts apart. */
const KEPT_TEXT_UNITS = 1000;

/** The record's part of a prompt, and the parts of the blob with the rest; no parts when there is no rest. */
export interface SplitContents {
  text: string;
  parts: Uint8Array[];
  shape: Pick<PromptBody, 'textBytes' | 'images'>;
}

export function splitContents({ text, images }: PromptContents): SplitContents {
  const isLong = Buffer.byteLength(text) > MAX_INLINE_PROMPT_BYTES;
  const bytes = isLong ? Buffer.from(text) : Buffer.alloc(0);
  return {
    text: isLong ? beginningOf(text) : text,
    parts: [...(isLong ? [bytes] : []), ...images.map(({ data }) => data)],
    shape: {
      textBytes: bytes.length,
      images: images.map(({ mediaType, data }) => ({ mediaType, bytes: data.length })),
    },
  };
}

const beginningOf = (text: string): string => text.slice(0, KEPT_TEXT_UNITS).replace(/[\ud800-\udbff]$/, '');

/** Stores beside the journal what is too large to keep in memory. Rejects with `STORAGE_FULL`. */
export async function keepContents(blobs: BlobStore, contents: PromptContents): Promise<KeptContents> {
  const { text, parts, shape } = splitContents(contents);
  return parts.length === 0 ? { text } : { text, body: { ...(await blobs.write(parts)), ...shape } };
}

/** Rejects with `NOT_FOUND` when the blob is missing or damaged. */
export async function readContents(blobs: BlobStore, { text, body }: KeptContents): Promise<PromptContents> {
  if (!body) return { text, images: [] };
  const bytes = await blobs.read(body);
  let at = body.textBytes;
  const images = body.images.map(({ mediaType, bytes: length }) => {
    const data = bytes.subarray(at, at + length);
    at += length;
    return { mediaType, data };
  });
  return { text: body.textBytes === 0 ? text : bytes.toString('utf8', 0, body.textBytes), images };
}
