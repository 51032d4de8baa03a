/** What only the local socket serves. */
import { addUserSchema, changeUserSchema, openPairingSchema } from '../auth.js';
import { addAnyKeySchema } from '../keys.js';
import { revokeAnySchema, stopSchema } from '../local.js';
import { type RestRule, reads } from './rules.js';

export const LOCAL_COMMANDS = {
  makeToken: { at: 'POST /local/token', local: true, secret: true, ...reads('admin') },
  stopDaemon: { at: 'POST /local/stop', local: true, again: 'same', ...reads('admin'), body: stopSchema },
  openPairing: { at: 'POST /local/pair', local: true, secret: true, ...reads('admin'), body: openPairingSchema },
  listPeople: { at: 'GET /local/users', local: true, ...reads('admin') },
  addPerson: { at: 'POST /local/users', local: true, ...reads('admin'), body: addUserSchema },
  changePerson: { at: 'PATCH /local/users/:email', local: true, ...reads('admin'), body: changeUserSchema },
  removePerson: { at: 'DELETE /local/users/:email', local: true, ...reads('admin') },
  listAllDevices: { at: 'GET /local/devices', local: true, ...reads('admin') },
  revokeAnyDevice: { at: 'DELETE /local/devices/:id', local: true, ...reads('admin'), query: revokeAnySchema },
  listAllKeys: { at: 'GET /local/keys', local: true, ...reads('admin') },
  addAnyKey: { at: 'POST /local/keys', local: true, secret: true, ...reads('admin'), body: addAnyKeySchema },
  revokeAnyKey: { at: 'DELETE /local/keys/:id', local: true, ...reads('admin') },
} as const satisfies Record<string, RestRule>;
