import { ChildPlaces } from '../../services/sessions/child-places.js';
import type { SessionOptions } from '../../services/sessions/session.js';

/** What a session needs besides its journal and a launcher, where nobody looks at it: there is room, and time stands still. */
export const sessionDefaults = (): Omit<SessionOptions, 'stored' | 'journal' | 'launcher'> => ({
  publisher: { publish: () => {}, opened: () => {}, forgotten: () => {} },
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  now: () => 1,
  idleMs: 60_000,
  places: new ChildPlaces({ max: 1, holders: () => [] }),
  requireRoom: async () => {},
  onForget: () => {},
});
