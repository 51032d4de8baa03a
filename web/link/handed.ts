/** What comes to the page from outside of it, from a notification or another app, and waits to be taken. */
import { createStore, get, update } from 'idb-keyval';

export interface Handed {
  text: string;
  files: readonly File[];
}

/** For a new session, and for a person who has to choose; any other place is the id of a session. */
export const TO_NEW = 'new';
export const TO_CHOOSE = 'shared';
/** Tells pages of this browser that something was handed over. */
export const HANDED = 'companion-handed';

const storage = createStore('claude-companion-handed', 'drafts');

/** Puts it below what waits there already. */
export async function hand(to: string, { text, files }: Handed): Promise<void> {
  await update<Handed | undefined>(
    to,
    (before) => ({
      text: [before?.text ?? '', text].filter((one) => one !== '').join('\n\n'),
      files: [...(before?.files ?? []), ...files],
    }),
    storage,
  );
  new BroadcastChannel(HANDED).postMessage(to);
}

/** What waits there, and goes on waiting. */
export const lookAtHanded = (to: string): Promise<Handed | undefined> => get<Handed>(to, storage);

/** Of several pages that ask, one gets it. */
export async function takeHanded(to: string): Promise<Handed | undefined> {
  let found: Handed | undefined;
  await update<Handed | undefined>(
    to,
    (before) => {
      found = before;
      return undefined;
    },
    storage,
  );
  return found;
}
