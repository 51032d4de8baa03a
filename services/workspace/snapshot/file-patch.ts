/** The change of one file as git writes it in a patch. */
import { quotedName } from '../../model/patch-text.js';
import { diffLines } from './line-diff.js';

/** Why a file is named without its lines. */
export type Omission = 'binary' | 'large' | 'unknown';

/** What a path led to. */
export interface Version {
  mode: '100644' | '100755' | '120000';
  /** Or why it is not there. */
  content: Uint8Array | Exclude<Omission, 'binary'>;
}

export interface FilePatch {
  additions: number;
  deletions: number;
  omitted?: Omission;
  patch: string;
}

/** Undefined when nothing has changed that a patch can show. */
export function patchOf(path: string, before?: Version, after?: Version): FilePatch | undefined {
  if (before && after && isLink(before) !== isLink(after)) {
    const [removed, created] = [patchOf(path, before, undefined), patchOf(path, undefined, after)];
    if (!removed || !created) return removed ?? created;
    const omitted = removed.omitted ?? created.omitted;
    return {
      additions: created.additions,
      deletions: removed.deletions,
      ...(omitted && { omitted }),
      patch: removed.patch + created.patch,
    };
  }
  return isSame(before, after) ? undefined : compare(path, before, after);
}

const isLink = ({ mode }: Version): boolean => mode === '120000';

/** An unknown content differs from every other. */
function isSame(before: Version | undefined, after: Version | undefined): boolean {
  if (!before || !after) return before === after;
  const [old, now] = [before.content, after.content];
  if (typeof old === 'string' || typeof now === 'string') return false;
  return before.mode === after.mode && Buffer.compare(old, now) === 0;
}

function compare(path: string, before: Version | undefined, after: Version | undefined): FilePatch {
  const [old, now] = [quotedName(`a/${path}`), quotedName(`b/${path}`)];
  const head = `diff --git ${old} ${now}\n${modeLines(before, after)}`;
  const omitted = omissionOf(before) ?? omissionOf(after);
  const sides = `${before ? old : '/dev/null'} and ${after ? now : '/dev/null'}`;
  if (omitted) {
    const about = omitted === 'binary' ? `Binary files ${sides} differ\n` : `Files ${sides} differ\n`;
    return { additions: 0, deletions: 0, omitted, patch: head + about };
  }
  const { additions, deletions, hunks } = diffLines(textOf(before), textOf(after));
  if (hunks === '') return { additions, deletions, patch: head };
  const names = `--- ${before ? tabbed(old) : '/dev/null'}\n+++ ${after ? tabbed(now) : '/dev/null'}\n`;
  return { additions, deletions, patch: head + names + hunks };
}

/** `patch` would end a bare name at its first blank. */
const tabbed = (name: string): string => (name.includes(' ') && !name.startsWith('"') ? `${name}\t` : name);

function modeLines(before: Version | undefined, after: Version | undefined): string {
  if (!before) return after ? `new file mode ${after.mode}\n` : '';
  if (!after) return `deleted file mode ${before.mode}\n`;
  return before.mode === after.mode ? '' : `old mode ${before.mode}\nnew mode ${after.mode}\n`;
}

/** As far as git looks for a NUL. */
const LOOKED_AT_BYTES = 8000;

function omissionOf(version: Version | undefined): Omission | undefined {
  if (!version) return undefined;
  const { content } = version;
  if (typeof content === 'string') return content;
  return content.subarray(0, LOOKED_AT_BYTES).includes(0) ? 'binary' : undefined;
}

function textOf(version: Version | undefined): string {
  if (!version || typeof version.content === 'string') return '';
  const { buffer, byteOffset, byteLength } = version.content;
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
}
