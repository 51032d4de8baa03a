/**
 * Node keeps the time of slow clients by its own clock, which `fast-clock.cjs` does not reach: here the daemon's servers
 * are made so many times less patient, and so are its sockets where they wait for at least 10 s. `FAST_SERVERS` says how
 * many times.
 */
const http = require('node:http');
const https = require('node:https');
const { syncBuiltinESMExports } = require('node:module');
const { Socket } = require('node:net');

const factor = Number(process.env.FAST_SERVERS ?? 1);
const TIMES = ['headersTimeout', 'requestTimeout', 'connectionsCheckingInterval'];
/** Below are those of connections that are kept for a next request. */
const LEAST_MS = 10_000;

if (factor !== 1 && process.argv[1]?.endsWith('dist/server/main.js')) {
  for (const library of [http, https]) {
    const { createServer } = library;
    library.createServer = (options, listener) => {
      const faster = Object.fromEntries(TIMES.map((name) => [name, options[name] / factor]));
      return createServer({ ...options, ...faster }, listener);
    };
  }
  const { setTimeout } = Socket.prototype;
  Socket.prototype.setTimeout = function (ms, ...rest) {
    return setTimeout.call(this, ms >= LEAST_MS ? ms / factor : ms, ...rest);
  };
  syncBuiltinESMExports();
}
