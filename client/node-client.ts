import { type CompanionClient, createClient } from './companion-client.js';
import type { CompanionClientOptions } from './companion-client-options.js';
import { openDaemonSocket } from './daemon-socket.js';

/**
 * Creates a client of the daemon. It starts to connect at once; listeners that are attached in the same turn of the
 * event loop miss nothing. Throws `CompanionError` `INVALID_REQUEST` for an invalid option.
 */
export const createCompanionClient = (options: CompanionClientOptions): CompanionClient =>
  createClient(options, openDaemonSocket);
