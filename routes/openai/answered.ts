import type { Response } from 'express';
import type { CompanionError } from '../../protocol/error-codes.js';
import { toCompanionError } from '../http/http-errors.js';

/** Rejects with the error that is the answer, if it is one. A client does not ask again by itself after a turn. */
export async function answered(
  response: Response,
  run: (answerWith: (error: CompanionError) => void) => Promise<void>,
): Promise<void> {
  let failure: CompanionError | undefined;
  const finished = new Promise<void>((resolve) => {
    response.once('close', resolve);
    run((error) => {
      response.setHeader('X-Should-Retry', 'false');
      failure = error;
      resolve();
    }).catch((error: unknown) => {
      failure ??= toCompanionError(error);
      resolve();
    });
  });
  await finished;
  if (failure && !response.destroyed) throw failure;
}
