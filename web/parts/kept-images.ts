/** Images of messages that are not sent yet: they outlive the page, as the texts do. */
import { createStore, del, get, set, update } from 'idb-keyval';
import type { Attachment } from '../../protocol/scalars.js';

export interface Image {
  id: string;
  name: string;
  mediaType: Attachment['mediaType'];
  /** In base64. */
  data: string;
  bytes: number;
}

/** So many messages with images are kept, the newest ones; each is within the limits of the protocol. */
const MAX_MESSAGES = 10;
/** Owners from the oldest on. No session and no new message is called like this. */
const ORDER = 'order';

const storage = createStore('claude-companion-images', 'drafts');

/** WebKit's database can stay silent after a wake: no message waits for it any longer. In milliseconds. */
const PATIENCE_MS = 2000;

/** Nothing where the browser has no storage, does not answer, or has forgotten them. */
export async function loadImages(owner: string): Promise<readonly Image[]> {
  const silence = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS, undefined));
  try {
    return (await Promise.race([get<readonly Image[]>(owner, storage), silence])) ?? [];
  } catch {
    // Whatever the browser says: they can be added again.
    return [];
  }
}

/** Resolves with whether they are kept. */
export async function keepImages(owner: string, images: readonly Image[]): Promise<boolean> {
  try {
    if (images.length === 0) await del(owner, storage);
    else await set(owner, images, storage);
    await makeRoom(owner, images.length > 0);
    return true;
  } catch {
    // No room, or a person who wants nothing kept: they stay in the page.
    return false;
  }
}

async function makeRoom(owner: string, isLast: boolean): Promise<void> {
  let dropped: string[] = [];
  await update<string[]>(
    ORDER,
    (before = []) => {
      const owners = [...before.filter((one) => one !== owner), ...(isLast ? [owner] : [])];
      dropped = owners.slice(0, -MAX_MESSAGES);
      return owners.slice(-MAX_MESSAGES);
    },
    storage,
  );
  for (const one of dropped) await del(one, storage);
}

/** Puts the images of one message behind those of another. */
export async function moveImages(from: string, to: string): Promise<void> {
  const images = await loadImages(from);
  if (images.length === 0) return;
  if (await keepImages(to, [...(await loadImages(to)), ...images])) await keepImages(from, []);
}
