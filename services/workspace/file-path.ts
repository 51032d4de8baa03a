import { type CompanionError, invalid } from '../../protocol/error-codes.js';
import { utf8Length } from '../../protocol/scalars.js';

/** The limit of most file systems. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 2048;
export const MAX_DEPTH = 64;

/** Control characters and unpaired surrogates, which UTF-8 cannot encode. */
const UNPRINTABLE = /\p{Cc}|\p{Cs}/u;
const DRIVE = /^[A-Za-z]:/;

/**
 * The names in a client's file path, which is relative to the session's directory; empty for that directory itself. `/`
 * is the only separator; empty parts and `.` are ignored. Throws `INVALID_REQUEST` with the rejected part: anything
 * that any system could interpret as a way up or out. The path must already be decoded, once.
 */
export function parseFilePath(path: string, field: string): string[] {
  const refuse = (rule: string): CompanionError => invalid(field, rule);
  if (utf8Length(path) > MAX_PATH_BYTES) throw refuse(`must be at most ${MAX_PATH_BYTES} bytes`);
  if (path.startsWith('/') || DRIVE.test(path)) throw refuse('must be relative to the directory of the session');
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length > MAX_DEPTH) throw refuse(`must be at most ${MAX_DEPTH} folders deep`);
  for (const name of names) {
    const broken = brokenNameRule(name);
    if (broken !== undefined) throw refuse(broken);
  }
  return names;
}

/** The rule that a single name breaks; undefined for an acceptable name. */
export function brokenNameRule(name: string): string | undefined {
  if (UNPRINTABLE.test(name)) return 'must not contain control characters or halves of surrogate pairs';
  if (name.includes('\\')) return 'must not contain a backslash; folders are separated by /';
  if (utf8Length(name) > MAX_NAME_BYTES) return `must have names of at most ${MAX_NAME_BYTES} bytes`;
  return isWayUp(name) ? 'must not contain .. or what is normalised to it, to / or to a backslash' : undefined;
}

/** Includes forms that only some system treats as `..` or a separator, such as full-width ones. */
function isWayUp(name: string): boolean {
  const plain = name.normalize('NFKC');
  return plain === '..' || plain === '.' || /[/\\]/.test(plain);
}
