/** Somebody who tries one credential after the other: requests as bytes, over many sockets, at a pace, and as cheap for this side as can be. */
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { answerRequests } from './answer-requests.mjs';

const BATCH_MS = 2;
const STATUS = /HTTP\/1\.1 (\d{3})/g;

answerRequests({
  guess: async ({ port, path, perSecond, ms, sockets: count }) => {
    const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${'x'.repeat(43)}\r\n\r\n`;
    const statuses = {};
    const free = [];
    const all = new Set();
    const open = () => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      all.add(socket);
      socket.setEncoding('latin1');
      socket.on('connect', () => free.push(socket));
      socket.on('data', (text) => {
        for (const [, status] of text.matchAll(STATUS)) {
          statuses[status] = (statuses[status] ?? 0) + 1;
          free.push(socket);
        }
      });
      // Whoever is cut off comes again.
      socket.on('close', () => {
        if (all.delete(socket) && !over) open();
      });
      socket.on('error', () => {});
    };
    let over = false;
    for (let opened = 0; opened < count; opened += 1) open();
    const began = performance.now();
    for (let sent = 0; performance.now() - began < ms; await setTimeout(BATCH_MS)) {
      const due = Math.floor(((performance.now() - began) / 1000) * perSecond);
      for (let socket = free.shift(); sent < due && socket; sent += 1) {
        if (socket.writable) socket.write(request);
        socket = sent + 1 < due ? free.shift() : undefined;
      }
    }
    over = true;
    for (const socket of all) socket.destroy();
    return { statuses };
  },
});
