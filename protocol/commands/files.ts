/** The files of a session. */
import { listFileAccessesSchema } from '../file-accesses.js';
import {
  listFilesSchema,
  listTrashSchema,
  readFileSchema,
  removeFileSchema,
  restoreFileSchema,
  sessionDiffSchema,
  writeFileSchema,
} from '../files.js';
import { MAX_BODY_BYTES } from '../limits.js';
import { changes, ofFiles, type RestRule } from './rules.js';

const FILE = { maxBody: MAX_BODY_BYTES.ofFile, body: writeFileSchema } as const;

export const FILES_COMMANDS = {
  listFiles: { at: 'GET /api/sessions/:id/files', ...ofFiles('read'), query: listFilesSchema },
  readSessionDiff: { at: 'GET /api/sessions/:id/diff', ...changes('read', 'read'), query: sessionDiffSchema },
  // Before the rows of single files: their paths would match as well.
  listFileAccesses: {
    at: 'GET /api/sessions/:id/files/access',
    ...changes('read', 'read'),
    query: listFileAccessesSchema,
  },
  listTrash: { at: 'GET /api/sessions/:id/files/trash', ...ofFiles('read'), query: listTrashSchema },
  restoreFile: {
    at: 'POST /api/sessions/:id/files/trash/:trashId/restore',
    ...ofFiles('write'),
    body: restoreFileSchema,
  },
  emptyTrash: { at: 'DELETE /api/sessions/:id/files/trash/:trashId', ...ofFiles('write'), query: removeFileSchema },
  readFile: { at: 'GET /api/sessions/:id/files/*path', ...ofFiles('read'), query: readFileSchema },
  createFile: { at: 'POST /api/sessions/:id/files/*path', again: 'same', ...ofFiles('write'), ...FILE },
  replaceFile: {
    at: 'PUT /api/sessions/:id/files/*path',
    versioned: true,
    ...ofFiles('write'),
    ...FILE,
    takesBytes: true,
  },
  removeFile: {
    at: 'DELETE /api/sessions/:id/files/*path',
    versioned: true,
    ...ofFiles('write'),
    query: removeFileSchema,
  },
} as const satisfies Record<string, RestRule>;
