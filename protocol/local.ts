/** Inputs of the requests of the local socket that concern the daemon itself. */
import * as z from 'zod';

export const stopSchema = z.object({ all: z.boolean().default(false) });

export const revokeAnySchema = z.object({ user: z.string().optional() });
