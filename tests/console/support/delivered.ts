/** Pushes that reach the service worker of a page by the browser's debugging protocol. */
import type { CDPSession, Page } from 'playwright-core';

export interface Shown {
  title: string;
  body: string;
  actions: { action: string; title: string }[];
}

/** Delivers what a push service would hand to the browser: Chromium subscribes at that of its maker alone. */
export async function deliver(page: Page, origin: string, payload: object): Promise<void> {
  const session: CDPSession = await page.context().newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations: [one] }) => {
      if (one) resolve(one.registrationId);
    });
  });
  await session.send('ServiceWorker.enable');
  const registrationId = await registered;
  await session.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data: JSON.stringify(payload) });
  await session.detach();
}

/** The notifications that the worker shows now. */
export const notificationsOf = (page: Page): Promise<Shown[]> =>
  page.evaluate(
    'navigator.serviceWorker.ready.then((one) => one.getNotifications()).then((all) => all.map(({ title, body, actions }) => ({ title, body, actions })))',
  );
