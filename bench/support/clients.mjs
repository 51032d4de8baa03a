/** Many clients in one process: they connect, count what comes or when it came, and stop reading when told to. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { answerRequests } from './answer-requests.mjs';
import { RawClient } from './raw-client.mjs';
import { now, STAMP_CHARACTERS, STAMP_MARK } from './stamp.mjs';

/** Connections on their way at once. */
const OPENING = 64;
/** Enough of a frame to know its type: `{"type":"streamC`. */
const TYPE_BYTES = 16;
/** Enough to find the time in it. */
const STAMP_BYTES = 1024;
/** `streamComplete` is the only frame asked for that has these letters there. */
const [S, C] = ['s'.charCodeAt(0), 'C'.charCodeAt(0)];
const _IDLE_MS = 50;
/** Stands before the text of a delta, which has no quotes itself. */
const TEXT = '"text":"';
const QUOTE = '"'.charCodeAt(0);

const clients = [];
let counted = newCount();
let latencies = [];

function newCount() {
  return { pieces: 0, frames: 0, bytes: 0, first: 0, completes: 0, lastAt: 0, onChange: () => {} };
}

const openers = {
  ws: ({ port }) => RawClient.open({ port, path: '/' }),
  'socket.io': ({ port }) => RawClient.open({ port, path: '/socket.io/?EIO=4&transport=websocket', isEngine: true }),
  companion: openCompanion,
};

const typeOf = ({ bytes, start, end }) =>
  /^\{"type":"(\w+)"/.exec(bytes.latin1Slice(start, Math.min(end, start + 64)))?.[1];

/** Each is a device of its own, and has caught up with the session when this resolves. */
async function openCompanion({ port, token, sessionIds, events, device }) {
  const headers = { authorization: `Bearer ${token}`, 'x-device-id': device };
  const missing = new Set(['welcome', 'subscribed', 'caughtUp']);
  let onText = () => {};
  const caughtUp = new Promise((resolve, reject) => {
    onText = (frame) => {
      const type = typeOf(frame);
      if (type === 'error') reject(new Error(frame.bytes.toString('utf8', frame.start, frame.end)));
      missing.delete(type);
      if (missing.size === 0) resolve();
    };
  });
  const client = await RawClient.open({ port, path: '/ws', headers, onText });
  const timestamp = new Date().toISOString();
  client.send({ type: 'subscribe', requestId: 'subscribe', timestamp, data: { events, sessionIds } });
  await caughtUp;
  return client;
}

async function open({ kind, count, device = 'device', ...where }) {
  let next = clients.length;
  const end = next + count;
  const openSome = async () => {
    while (next < end) {
      const index = next;
      next += 1;
      clients[index] = await openers[kind]({ ...where, device: `${device}-${index}` });
    }
  };
  await Promise.all(Array.from({ length: Math.min(OPENING, count) }, openSome));
}

function listen(wanted, take) {
  clients.forEach((client, index) => {
    client.wanted = wanted;
    client.onText = (frame) => take(frame, index);
  });
}

/** What a frame holds: one event, or as many deltas as were joined in it. */
const piecesOf = {
  events: () => 1,
  deltas: ({ bytes, start }, textBytes) => {
    const from = bytes.indexOf(TEXT, start, 'latin1') + TEXT.length;
    return (bytes.indexOf(QUOTE, from) - from) / textBytes;
  },
};

function countInto({ kind, textBytes }) {
  const pieces = piecesOf[kind];
  listen(kind === 'events' ? TYPE_BYTES : Number.POSITIVE_INFINITY, (frame, index) => {
    const { bytes, start, length } = frame;
    if (bytes[start + 15] === C && bytes[start + 9] === S) counted.completes += 1;
    else {
      const held = pieces(frame, textBytes);
      counted.pieces += held;
      if (held > 0) counted.frames += 1;
      counted.bytes += length;
      if (index === 0) counted.first += held;
    }
    counted.onChange();
  });
}

/**
 * Lets the writer go on when the first client has all that was written, and all clients what was written before:
 * it is then at work on the next while the server still is on this one, and never further ahead.
 */
function giveCredits({ fifo, batch, writes }) {
  const file = openSync(fifo, 'r+');
  let given = 0;
  const give = () => {
    given += 1;
    writeSync(file, '.');
  };
  counted.onChange = () => {
    if (given >= writes || counted.first < given * batch) return;
    if (counted.pieces >= (given - 1) * batch * clients.length) give();
  };
  give();
  return () => closeSync(file);
}

function untilCounted({ perClient }) {
  const enough = () =>
    perClient === undefined ? counted.completes >= clients.length : counted.pieces >= perClient * clients.length;
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const lost = clients.filter(({ closed }) => closed).length;
      if (lost > 0) reject(new Error(`${lost} of ${clients.length} clients were cut off`));
      if (lost > 0 || enough()) clearInterval(timer);
    }, 100);
    const { onChange } = counted;
    counted.onChange = () => {
      onChange();
      if (!enough()) return;
      counted.lastAt = now();
      resolve();
    };
  });
}

let counting;

answerRequests({
  open,
  /** Begins to count; `counted` waits for its end. `perClient`: frames; without it until each has seen the turn's end. */
  count: ({ perClient, credits, kind = 'events', textBytes }) => {
    counted = newCount();
    countInto({ kind, textBytes });
    const usage = process.cpuUsage();
    const startedAt = now();
    const stop = credits ? giveCredits(credits) : () => {};
    counting = untilCounted({ perClient })
      .finally(stop)
      .then(() => {
        const used = process.cpuUsage(usage);
        const { pieces, frames, bytes, lastAt } = counted;
        const ms = lastAt - startedAt;
        return { pieces, frames, bytes, ms, busy: (used.user + used.system) / 1000 / ms };
      });
    counting.catch(() => {});
  },
  counted: () => counting,
  /** Begins to note down how old each frame is when it comes. */
  time: () => {
    latencies = [];
    listen(STAMP_BYTES, ({ bytes, start, end }) => {
      const at = now();
      for (let from = bytes.indexOf(STAMP_MARK, start, 'latin1'); from >= 0 && from < end; ) {
        const text = bytes.latin1Slice(from + STAMP_MARK.length, from + STAMP_CHARACTERS);
        latencies.push(at - Number(text));
        from = bytes.indexOf(STAMP_MARK, from + STAMP_CHARACTERS, 'latin1');
      }
    });
  },
  timedCount: () => latencies.length,
  timed: () => Float64Array.from(latencies),
  /** The last ones stop reading. */
  stall: ({ count: stalled }) => {
    for (const client of clients.slice(clients.length - stalled)) client.stall();
  },
  closed: () => clients.filter(({ closed }) => closed).length,
  close: () => {
    for (const client of clients.splice(0)) client.destroy();
  },
  /** One device comes back: how long it takes to have caught up, and what came. It goes again. */
  resume: async ({ port, token, device }) => {
    const headers = { authorization: `Bearer ${token}`, 'x-device-id': device };
    const types = {};
    let onCaughtUp = () => {};
    const caughtUp = new Promise((resolve) => {
      onCaughtUp = resolve;
    });
    const onText = (frame) => {
      const type = typeOf(frame);
      types[type] ??= { count: 0, bytes: 0 };
      types[type].count += 1;
      types[type].bytes += frame.length;
      if (type === 'caughtUp') onCaughtUp(now());
    };
    const client = await RawClient.open({ port, path: '/ws', headers, onText });
    const caughtUpAt = await caughtUp;
    client.destroy();
    return { ms: caughtUpAt - client.askedAt, types };
  },
});
