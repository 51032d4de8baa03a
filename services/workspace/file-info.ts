import { lookup } from 'mime-types';
import type { FileInfo } from '../../protocol/files.js';

interface Known {
  names: readonly string[];
  size: number;
  modifiedMs: number;
  /** Whether its bytes are UTF-8. */
  isText: boolean;
}

/** A file as clients are told of it, under the path by which they asked. */
export const fileInfo = ({ names, size, modifiedMs, isText }: Known): FileInfo => ({
  path: names.join('/'),
  size,
  mimeType: mimeTypeOf(names.at(-1) ?? '', isText),
  modifiedAt: new Date(modifiedMs).toISOString(),
});

const TEXTUAL = /^text\/|[/+](json|xml|javascript|yaml|toml|sql|x-sh)\b/;

/** The registered type of `.ts` is that of a video: where name and bytes disagree, the bytes are believed. */
function mimeTypeOf(name: string, isText: boolean): string {
  const byName = lookup(name);
  if (isText) return byName !== false && TEXTUAL.test(byName) ? byName : 'text/plain';
  return byName !== false && !byName.startsWith('text/') ? byName : 'application/octet-stream';
}
