/**
 * As much of Apple's push service as takes requests and accepts them, in a process of its own: HTTP/2 with TLS. It notes
 * when each request was there as a whole, and whether one came twice. What a request has to look like is checked by
 * tests/support/apns-server.ts, which would cost more than the sender that is measured.
 */
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { answerRequests } from './answer-requests.mjs';
import { now } from './stamp.mjs';

const ACCEPTED = { ':status': 200 };

let seen = newCount();
let keepBodies = false;

function newCount() {
  return { first: 0, last: 0, keys: new Set(), repeated: 0, bodies: [], watchers: [], usage: process.cpuUsage() };
}

function take(headers, body) {
  const at = now();
  seen.first ||= at;
  seen.last = at;
  const key = `${headers[':path']} ${headers['apns-collapse-id']}`;
  if (seen.keys.has(key)) seen.repeated += 1;
  seen.keys.add(key);
  if (keepBodies) seen.bodies.push({ at, body: Buffer.concat(body).toString() });
  const count = seen.keys.size + seen.repeated;
  for (const watcher of seen.watchers.splice(0)) {
    if (count >= watcher.count) watcher.resolve(count);
    else seen.watchers.push(watcher);
  }
}

function serve({ key, cert }) {
  const server = createSecureServer({ key, cert });
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream, headers) => {
    const body = [];
    stream.on('error', () => {});
    stream.on('data', (chunk) => body.push(chunk));
    stream.once('end', () => {
      take(headers, body);
      stream.respond(ACCEPTED, { endStream: true });
    });
  });
  return server;
}

answerRequests({
  listen: async (credential) => {
    const server = serve(credential);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  },
  /** Forgets what has come. `bodies`: to be kept from here on. */
  reset: ({ bodies = false }) => {
    seen = newCount();
    keepBodies = bodies;
  },
  /** Resolves when so many requests have come since then. */
  reached: ({ count }) =>
    new Promise((resolve) => {
      if (seen.keys.size + seen.repeated >= count) resolve(count);
      else seen.watchers.push({ count, resolve });
    }),
  counted: () => {
    const { first, last, keys, repeated, bodies, usage } = seen;
    const used = process.cpuUsage(usage);
    return { first, last, distinct: keys.size, repeated, bodies, busyMs: (used.user + used.system) / 1000 };
  },
});
