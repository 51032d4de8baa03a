/** What node-apn does by itself: the same requests, as many at a time as the daemon has under way, from memory. */
import apn from '@parse/node-apn';
import { answerRequests } from './answer-requests.mjs';
import { now } from './stamp.mjs';

/** `MAX_UNDER_WAY` of the daemon. */
const AT_A_TIME = 128;

let provider;

function notificationOf({ topic, collapseId, payload }) {
  const notification = new apn.Notification();
  Object.assign(notification, { topic, collapseId, pushType: 'alert', priority: 10, expiry: 2_000_000_000 });
  notification.rawPayload = payload;
  return notification;
}

async function send(request) {
  const { failed } = await provider.send(notificationOf(request), request.token);
  if (failed.length > 0) throw new Error(`a request failed: ${JSON.stringify(failed[0])}`);
}

answerRequests({
  connect: ({ port, key, keyId, teamId, ca }) => {
    const token = { key, keyId, teamId };
    provider = new apn.Provider({ address: '127.0.0.1', port, token, ca: [ca], production: true });
  },
  /** Resolves to when it was sent. */
  one: async (request) => {
    const at = now();
    await send(request);
    return at;
  },
  /** One to each token under each collapse id. `perSecond`: not faster than that. */
  many: async ({ tokens, collapseIds, topic, payload, perSecond }) => {
    const requests = collapseIds.flatMap((collapseId) =>
      tokens.map((token) => ({ token, collapseId, topic, payload: { ...payload, collapseId } })),
    );
    const startedAt = now();
    let next = 0;
    const sendSome = async () => {
      while (next < requests.length) {
        const early = perSecond === undefined ? 0 : startedAt + (next * 1000) / perSecond - now();
        const request = requests[next];
        next += 1;
        if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
        await send(request);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, sendSome));
  },
});
