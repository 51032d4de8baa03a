import { CompanionError, type ErrorCode } from '../../protocol/error-codes.js';
import { toCapacityError } from '../../protocol/failures.js';

/** An expected failure of a file operation: the field is always the path. */
export const fileError = (code: ErrorCode, rule: string, suggestion?: string): CompanionError =>
  new CompanionError(code, `path: ${rule}`, { field: 'path', rule, ...(suggestion !== undefined && { suggestion }) });

export const missing = (): CompanionError => fileError('NOT_FOUND', 'must exist');

/** The answer is the same whether or not something exists outside. */
export const outside = (): CompanionError =>
  fileError('PERMISSION_DENIED', 'must be inside the directory of the session and not blocked for clients');

export const sensitive = (): CompanionError =>
  fileError(
    'PERMISSION_DENIED',
    'must not name what holds secrets: .env*, .ssh, credentials of the CLI',
    'The owner of the daemon can allow it with FILES_ALLOW_SENSITIVE=true.',
  );

export const obeyed = (): CompanionError =>
  fileError(
    'PERMISSION_DENIED',
    'must have a credential with the scope approve, since the CLI, git, a shell or another program obeys this file',
  );

export const isLink = (): CompanionError => fileError('PERMISSION_DENIED', 'must not be a link');

const ROOM = 'Free some space on the disk of the project, then try again.';

type Meaning = [code: ErrorCode, rule: string, suggestion?: string];
const NO_FOLDER: Meaning = ['CONFLICT', 'must lead through folders alone'];
const TAKEN: Meaning = ['CONFLICT', 'must not exist, or be of another kind'];
const NOT_ALLOWED: Meaning = ['PERMISSION_DENIED', 'must be something that the daemon has the rights for'];
const BAD_NAME: Meaning = ['INVALID_REQUEST', 'must have names that the file system accepts'];
const NO_ROOM: Meaning = ['STORAGE_FULL', 'is on a disk that takes nothing now', ROOM];

/** The meanings of system errors for a path. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOENT: ['NOT_FOUND', 'must exist'],
  ENOTDIR: NO_FOLDER,
  EEXIST: TAKEN,
  EISDIR: TAKEN,
  ENOTEMPTY: ['CONFLICT', 'must be empty'],
  EBUSY: ['CONFLICT', 'must not be in use'],
  ETXTBSY: ['CONFLICT', 'must not be in use'],
  EACCES: NOT_ALLOWED,
  EPERM: NOT_ALLOWED,
  ELOOP: ['PERMISSION_DENIED', 'must not be a link'],
  ENXIO: ['INVALID_REQUEST', 'must be a regular file'],
  ENAMETOOLONG: BAD_NAME,
  EILSEQ: BAD_NAME,
  EINVAL: BAD_NAME,
  ENOSPC: NO_ROOM,
  EDQUOT: NO_ROOM,
  EROFS: NO_ROOM,
  EFBIG: NO_ROOM,
  EIO: NO_ROOM,
};

/** Runs it; system errors reject as a `CompanionError` with the field `path`. */
export async function withFileErrors<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    const meaning = MEANINGS[codeOf(error) ?? ''];
    throw meaning ? fileError(...meaning) : toCapacityError('The file cannot be opened', error);
  }
}

export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

const UNSEEN = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'ENXIO']);

/** Whether an entry is missing or inaccessible to the daemon. Any other error says nothing about the entry. */
export const isUnseen = (error: unknown): boolean => UNSEEN.has(codeOf(error) ?? '');

/** Resolves to undefined for an entry that is missing or inaccessible. Rejects with any other error. */
export async function ifSeen<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isUnseen(error)) return undefined;
    throw error;
  }
}
