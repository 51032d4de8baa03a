import { Router } from 'express';
import * as z from 'zod';
import type { RouteServices } from '../route-services.js';
import { parseInput } from './parse-input.js';

const stopSchema = z.object({ all: z.boolean().default(false) });

/** What only commands on this machine may ask, through the local socket. */
export function createLocalRoutes({ identity, control }: RouteServices): Router {
  const router = Router();
  router.post('/token', async (_request, response) => {
    const token = await identity.makeToken();
    control.revokeToken();
    response.json({ token });
  });
  router.post('/stop', async (request, response) => {
    response.json(await control.stop(parseInput(stopSchema, request.body, 'body')));
  });
  return router;
}
