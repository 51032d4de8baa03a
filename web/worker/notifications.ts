/** What the daemon pushes: shown, taken back, and answered without a page. */

import { RestError } from '../../client/rest/index.js';
import { hand } from '../link/handed.js';
import { OWN_TEXTS } from '../strings/pushes.js';
import { language } from './language.js';
import { ManyQuestions, sendReply } from './reply.js';
import { inLanguage, type Worded } from './wording.js';

declare const self: ServiceWorkerGlobalScope;

/** As the daemon composes it for browsers. */
interface Push extends Worded {
  kind?: string;
  badge?: number;
  collapseId?: string;
  sessionId?: string;
  permissionId?: string;
  /** By decision. */
  actionTokens?: Record<string, string>;
  /** The notification with this id is no longer of use. */
  withdraw?: string;
}

const REPLY = 'reply';

type Kept = Pick<Push, 'sessionId' | 'permissionId' | 'actionTokens'>;

/** A person can have something to say to these. */
const REPLIED: ReadonlySet<string | undefined> = new Set(['question', 'turn_complete', 'turn_failed']);

export async function show(data: PushMessageData | null): Promise<void> {
  const [pushed, spoken] = [parse(data), await language()];
  await setBadge(pushed.badge);
  if (pushed.withdraw !== undefined) return close(pushed.withdraw);
  const push = inLanguage(pushed, spoken);
  const { title = 'Claude Companion', subtitle, body, collapseId, sessionId, permissionId, actionTokens } = push;
  const kept: Kept = {
    ...(sessionId !== undefined && { sessionId }),
    ...(permissionId !== undefined && { permissionId }),
    ...(actionTokens && { actionTokens }),
  };
  const texts = OWN_TEXTS[spoken];
  const answers = (['allow', 'deny'] as const)
    .filter((action) => actionTokens?.[action] !== undefined)
    .map((action) => ({ action, title: texts[action] }));
  const actions = [...answers, ...(REPLIED.has(push.kind) ? [replyAction(texts.reply)] : [])];
  await self.registration.showNotification(title, {
    body: [subtitle, body ?? (subtitle === undefined ? texts.something : undefined)].filter((text) => text).join('\n'),
    icon: '/icon-192.png',
    badge: '/icon-192.png',
    ...(collapseId !== undefined && { tag: collapseId }),
    data: kept,
    // Browsers have it; the library of types lacks it.
    ...(actions.length > 0 && { actions }),
  } as NotificationOptions);
}

/** Where a notification has no field, it opens the session. */
const replyAction = (title: string) => ({
  action: REPLY,
  title,
  ...('reply' in NotificationEvent.prototype && { type: 'text', placeholder: title }),
});

/** An answer, a reply, or the session where they are given. */
export async function act(notification: Notification, action: string, reply: string | null | undefined): Promise<void> {
  notification.close();
  const kept = (notification.data ?? {}) as Kept;
  if (action === REPLY && reply?.trim() && kept.sessionId !== undefined)
    return replyTo({ ...kept, sessionId: kept.sessionId }, reply);
  const actionToken = kept.actionTokens?.[action];
  if (actionToken === undefined) return open(kept.sessionId);
  const refusal = await answer(kept, { response: action, actionToken });
  if (refusal !== undefined) await tell('notAnswered', refusal, kept.sessionId);
}

/** What was not taken waits in the message of the session. */
async function replyTo({ sessionId, permissionId }: Kept & { sessionId: string }, text: string): Promise<void> {
  try {
    await sendReply({ sessionId, permissionId }, text);
  } catch (error) {
    await hand(sessionId, { text, files: [] });
    await tell('notSent', await refusalOf(error), sessionId);
  }
}

async function refusalOf(error: unknown): Promise<string> {
  const { inSession, unpaired, unreachable } = OWN_TEXTS[await language()];
  if (error instanceof ManyQuestions) return inSession;
  if (error instanceof RestError) return error.message;
  return error instanceof Error && 'reason' in error && error.reason === 'unauthorized' ? unpaired : unreachable;
}

async function tell(what: 'notAnswered' | 'notSent', body: string, sessionId: string | undefined): Promise<void> {
  const title = OWN_TEXTS[await language()][what];
  await self.registration.showNotification(title, { body, data: { sessionId } });
}

/** Returns why it was refused; undefined when it was taken. */
async function answer({ sessionId = '', permissionId = '' }: Kept, body: object): Promise<string | undefined> {
  const path = `/api/sessions/${encodeURIComponent(sessionId)}/permissions/${encodeURIComponent(permissionId)}`;
  const { unreachable } = OWN_TEXTS[await language()];
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.ok) return undefined;
    const { error } = (await response.json()) as { error?: { message?: string } };
    return error?.message ?? unreachable;
  } catch {
    // Whatever it is, the person has to answer in the session.
    return unreachable;
  }
}

async function open(sessionId: string | undefined): Promise<void> {
  const address = sessionId === undefined ? '/' : `/#/s/${encodeURIComponent(sessionId)}`;
  const [page] = await self.clients.matchAll({ type: 'window' });
  if (!page) {
    await self.clients.openWindow(address);
    return;
  }
  await page.focus();
  page.postMessage({ open: address });
}

async function close(tag: string): Promise<void> {
  for (const notification of await self.registration.getNotifications({ tag })) notification.close();
}

/** Where there are badges. */
async function setBadge(count: number | undefined): Promise<void> {
  const { navigator } = self as unknown as { navigator: { setAppBadge?: (count: number) => Promise<void> } };
  // A platform can refuse it; nothing depends on it.
  if (count !== undefined) await navigator.setAppBadge?.(count).catch(() => {});
}

function parse(data: PushMessageData | null): Push {
  try {
    return (data?.json() as Push | null) ?? {};
  } catch {
    // A browser that shows nothing for a push takes the permission back.
    return {};
  }
}
