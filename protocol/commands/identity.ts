/** Credentials and devices. */
import { loginSchema, pairSchema, refreshSchema } from '../auth.js';
import { addKeySchema } from '../keys.js';
import { MAX_STRANGERS_BODY_BYTES } from '../limits.js';
import { patchDeviceSchema } from '../push.js';
import { changes, type RestRule, reads } from './rules.js';

/** The sender may have no credential. */
const SMALL = { maxBody: MAX_STRANGERS_BODY_BYTES, secret: true } as const;

export const IDENTITY_COMMANDS = {
  pair: { at: 'POST /api/auth/pair', ...reads('none'), ...SMALL, body: pairSchema },
  login: { at: 'POST /api/auth/login', ...reads('none'), ...SMALL, body: loginSchema },
  refresh: { at: 'POST /api/auth/refresh', ...reads('none'), ...SMALL, body: refreshSchema },
  logout: { at: 'POST /api/auth/logout', again: 'same', ...reads('credential') },
  createTicket: { at: 'POST /api/auth/ticket', again: 'same', secret: true, ...reads('credential') },
  showAuthMethods: { at: 'GET /api/auth/methods', ...reads('none') },
  showMe: { at: 'GET /api/auth/me', ...reads('credential') },
  listDevices: { at: 'GET /api/devices', ...reads('read') },
  showDevice: { at: 'GET /api/devices/:id', ...reads('read') },
  changeDevice: {
    at: 'PATCH /api/devices/:id',
    versioned: true,
    ...changes('read', 'settings'),
    body: patchDeviceSchema,
  },
  revokeDevice: { at: 'DELETE /api/devices/:id', versioned: true, ...reads('credential') },
  listKeys: { at: 'GET /api/keys', ...reads('read') },
  addKey: { at: 'POST /api/keys', secret: true, ...changes('admin', 'settings'), body: addKeySchema },
  revokeKey: { at: 'DELETE /api/keys/:id', ...changes('credential', 'revoke') },
  showQueue: { at: 'GET /api/devices/:id/queue', ...reads('read') },
} as const satisfies Record<string, RestRule>;
