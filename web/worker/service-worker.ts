/** Runs beside the pages of the console: shows them without the daemon, and shows what the daemon pushes. */
import '../without-eval.js';
import { act, show } from './notifications.js';
import { answerShare } from './share.js';
import { answerFromShell, keepShell } from './shell.js';

declare const self: ServiceWorkerGlobalScope;

/** Where a notification has a field; the library of types lacks it. */
const replyIn = (event: NotificationEvent) => (event as NotificationEvent & { reply?: string | null }).reply;

self.addEventListener('install', (event) => {
  event.waitUntil(keepShell().then(() => self.skipWaiting()));
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const answer = answerShare(event.request) ?? answerFromShell(event.request);
  if (answer) event.respondWith(answer);
});
self.addEventListener('push', (event) => event.waitUntil(show(event.data)));
self.addEventListener('notificationclick', (event) =>
  event.waitUntil(act(event.notification, event.action, replyIn(event))),
);
