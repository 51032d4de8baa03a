import { ChildSlots } from '../../services/sessions/child/child-slots.js';
import type { SessionOptions } from '../../services/sessions/session.js';
import { WaitingContents, type WaitingContentsOptions } from '../../services/sessions/waiting-contents.js';

const unkept = () => {
  throw new Error('prompts of these tests are short');
};
const NOTHING_KEPT: WaitingContentsOptions['journal'] = {
  findRequest: () => undefined,
  keepContents: async () => unkept(),
  blobs: { write: async () => unkept(), read: async () => unkept(), stream: () => unkept(), remove: async () => {} },
};

/** What a session needs besides its journal and a launcher, where nobody looks at it: there is room, and time stands still. */
export const sessionDefaults = (): Omit<SessionOptions, 'stored' | 'journal' | 'launcher'> => ({
  publisher: { publish: () => {}, isNamed: () => false, opened: () => {}, forgotten: async () => {} },
  pushes: { owed: () => [], committed: () => {}, forgotten: () => {} },
  budgets: { standings: () => [], claim: () => () => {}, committed: () => {}, forgotten: () => {} },
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  waiting: new WaitingContents({ journal: NOTHING_KEPT, maxBytes: Number.POSITIVE_INFINITY, prompts: () => [] }),
  now: () => 1,
  idleMs: 60_000,
  slots: new ChildSlots({ max: 1, holders: () => [] }),
  requireRoom: async () => {},
  snapshots: {
    note: () => {},
    compare: () => Promise.reject(new Error('no directory')),
    told: () => {},
    forget: () => {},
    keepOnly: () => {},
    close: () => {},
  },
  onForget: () => {},
});
