/** Directories below the allowed roots. */
import { streamOptionsSchema } from '../client-frames.js';
import {
  addWorktreeSchema,
  clonePlaceSchema,
  forgetPlaceSchema,
  listPlacesSchema,
  makePlaceSchema,
} from '../projects.js';
import { changes, type Liberties, type RestRule, reads } from './rules.js';

export const PROJECTS_COMMANDS = {
  listPlaces: { at: 'GET /api/projects', ...reads('read'), query: listPlacesSchema },
  makePlace: { at: 'POST /api/projects', again: 'same', ...changes('files', 'write'), body: makePlaceSchema },
  clonePlace: {
    at: 'POST /api/projects/clone',
    needs: 'approve',
    counts: 'files',
    audit: 'write',
    body: clonePlaceSchema,
  },
  showPlace: { at: 'GET /api/projects/:name', ...reads('read') },
  addWorktree: {
    at: 'POST /api/projects/:name/worktrees',
    needs: 'approve',
    counts: 'files',
    audit: 'write',
    body: addWorktreeSchema,
  },
  forgetPlace: { at: 'DELETE /api/projects/:name', ...changes('prompt', 'close'), query: forgetPlaceSchema },
  startPlace: {
    at: 'POST /api/projects/:name/start',
    again: 'same',
    ...changes('prompt', 'settings'),
    body: streamOptionsSchema,
    liberties: (body: Liberties) => body,
  },
} as const satisfies Record<string, RestRule>;
