import { requiredFieldSchema, sessionIdSchema } from './scalars.js';

/** Where an automatic prompt goes: exactly one of the two. */
export const targetFields = {
  sessionId: sessionIdSchema.optional(),
  workingDirectory: requiredFieldSchema.optional().describe('Its session is started where there is none.'),
};
export const namesOneTarget = (body: { sessionId?: string | undefined; workingDirectory?: string | undefined }) =>
  (body.sessionId === undefined) !== (body.workingDirectory === undefined);
export const ONE_TARGET = { path: ['sessionId'], error: 'exactly one of sessionId and workingDirectory must be given' };
