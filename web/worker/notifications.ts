/** What the daemon pushes: shown, taken back, and answered without a page. */

declare const self: ServiceWorkerGlobalScope;

/** As the daemon composes it for browsers. */
interface Push {
  title?: string;
  subtitle?: string;
  body?: string;
  badge?: number;
  collapseId?: string;
  sessionId?: string;
  permissionId?: string;
  /** By decision. */
  actionTokens?: Record<string, string>;
  /** The notification with this id is no longer of use. */
  withdraw?: string;
}

type Kept = Pick<Push, 'sessionId' | 'permissionId' | 'actionTokens'>;

const TITLES: Record<string, string> = { allow: 'Allow once', deny: 'Deny' };
const UNKNOWN: Push = { title: 'Claude Companion', body: 'Something waits for you.' };

export async function show(data: PushMessageData | null): Promise<void> {
  const push = parse(data);
  await setBadge(push.badge);
  if (push.withdraw !== undefined) return close(push.withdraw);
  const { title = UNKNOWN.title ?? '', subtitle, body, collapseId, sessionId, permissionId, actionTokens } = push;
  const kept: Kept = {
    ...(sessionId !== undefined && { sessionId }),
    ...(permissionId !== undefined && { permissionId }),
    ...(actionTokens && { actionTokens }),
  };
  const actions = Object.keys(actionTokens ?? {}).flatMap((action) =>
    TITLES[action] === undefined ? [] : [{ action, title: TITLES[action] }],
  );
  await self.registration.showNotification(title, {
    body: [subtitle, body].filter((text) => text).join('\n'),
    icon: '/icon-192.png',
    badge: '/icon-192.png',
    ...(collapseId !== undefined && { tag: collapseId }),
    data: kept,
    // Browsers have it; the library of types lacks it.
    ...(actions.length > 0 && { actions }),
  } as NotificationOptions);
}

/** An answer, or the session where it is given. */
export async function act(notification: Notification, action: string): Promise<void> {
  notification.close();
  const kept = (notification.data ?? {}) as Kept;
  const actionToken = kept.actionTokens?.[action];
  if (actionToken === undefined) return open(kept.sessionId);
  const refusal = await answer(kept, { response: action, actionToken });
  if (refusal === undefined) return;
  await self.registration.showNotification('Not answered', { body: refusal, data: { sessionId: kept.sessionId } });
}

/** Returns why it was refused; undefined when it was taken. */
async function answer({ sessionId = '', permissionId = '' }: Kept, body: object): Promise<string | undefined> {
  const path = `/api/sessions/${encodeURIComponent(sessionId)}/permissions/${encodeURIComponent(permissionId)}`;
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.ok) return undefined;
    const { error } = (await response.json()) as { error?: { message?: string } };
    return error?.message ?? `The daemon answered with ${response.status}.`;
  } catch {
    // Whatever it is, the person has to answer in the session.
    return 'The daemon cannot be reached.';
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
    return (data?.json() as Push | null) ?? UNKNOWN;
  } catch {
    // A browser that shows nothing for a push takes the permission back.
    return UNKNOWN;
  }
}
