import { lookup } from 'mime-types';
import type { FileInfo } from '../../protocol/files.js';

interface Known {
  names: readonly string[];
  size: number;
  modifiedMs: number;
  /** Whether its bytes are UTF-8. */
  isText: boolean;
}

/** A file as shown to clients, under the path they used. */
export const fileInfo = ({ names, size, modifiedMs, isText }: Known): FileInfo => ({
  path: names.join('/'),
  size,
  mimeType: mimeTypeOf(names.at(-1) ?? '', isText),
  modifiedAt: new Date(modifiedMs).toISOString(),
});

const TEXTUAL = /^text\/|[/+](json|xml|javascript|yaml|toml|sql|x-sh)\b/;

/** The registered type of `.ts` is a video: when name and bytes disagree, the bytes decide. */
function mimeTypeOf(name: string, isText: boolean): string {
  const byName = lookup(name);
  if (isText) return byName !== false && TEXTUAL.test(byName) ? byName : 'text/plain';
  return byName !== false && !byName.startsWith('text/') ? byName : 'application/octet-stream';
}
