/** Runs in the page of the console before its own scripts, and notes down what a person would see and when. */
const MARK = /@@(\d+\.\d{3})/g;
/** Of a text that has changed: what was written into it since the last frame is in its end. */
const TAIL = 4000;

const noted = {
  /** When the list of sessions was there, in milliseconds since the page was asked for. */
  readyAt: undefined,
  /** Of each delta: when the CLI wrote it, and when it was painted. */
  paints: [],
  frames: [],
  longTasks: [],
  inputs: [],
  /** Of the last connection. */
  dialledAt: undefined,
};
let isAway = false;
let isCounting = false;
const sockets = new Set();
const seen = new Set();

globalThis.measured = {
  noted,
  begin: () => {
    for (const list of [noted.paints, noted.frames, noted.longTasks, noted.inputs]) list.length = 0;
    isCounting = true;
    requestAnimationFrame(frame);
  },
  end: () => {
    isCounting = false;
    return noted;
  },
  /** The network goes: connections end, and no new one comes about. */
  leave: () => {
    isAway = true;
    for (const socket of sockets) socket.close();
  },
  comeBack: () => {
    isAway = false;
  },
  /** Resolves when the list of sessions is there, with how long that took. */
  ready: () => untilFound(() => noted.readyAt),
  /** Resolves with the time at which so many elements with a text are painted. */
  painted: (selector, text, count = 1) =>
    untilFound(() => {
      const fitting = [...document.querySelectorAll(selector)].filter((one) => one.textContent.includes(text));
      return fitting.length >= count || undefined;
    }).then(() => new Promise((resolve) => afterPaint(() => resolve(performance.now())))),
  /** Scrolls up as a thumb does, until nothing older comes; resolves with how many messages there are then. */
  scrollUp: ({ selector, item, first, step }) =>
    new Promise((resolve) => {
      const list = document.querySelector(selector);
      const move = () => {
        if (list.scrollTop === 0) {
          if (document.querySelector(item)?.textContent === first)
            return resolve(document.querySelectorAll(item).length);
          document.querySelector(`${selector} > button`)?.click();
        }
        list.scrollTop -= step;
        requestAnimationFrame(move);
      };
      move();
    }),
};

const untilFound = (find) =>
  new Promise((resolve) => {
    const look = () => {
      const found = find();
      if (found === undefined) requestAnimationFrame(look);
      else resolve(found);
    };
    look();
  });

function frame(at) {
  noted.frames.push(at);
  if (isCounting) requestAnimationFrame(frame);
}

/** A message is delivered after the frame that is being made was handed on. */
function afterPaint(callback) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = callback;
    port2.postMessage(undefined);
  });
}

const OwnSocket = globalThis.WebSocket;
globalThis.WebSocket = class extends OwnSocket {
  constructor(url, protocols) {
    // Refused at once.
    super(isAway ? url.replace('/ws', '/away') : url, protocols);
    noted.dialledAt = performance.now();
    sockets.add(this);
    this.addEventListener('close', () => sockets.delete(this));
  }
};

/** The times in a text that were not seen before. */
function newIn(text) {
  const times = [...text.slice(-TAIL).matchAll(MARK)].map(([, at]) => at).filter((at) => !seen.has(at));
  for (const at of times) seen.add(at);
  return times.map(Number);
}

function look(records) {
  const changed = records.flatMap(({ target, addedNodes }) => (addedNodes.length > 0 ? [...addedNodes] : [target]));
  const fresh = changed.flatMap((node) => newIn(node.textContent ?? ''));
  if (fresh.length === 0) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    const at = performance.now();
    for (const writtenAt of fresh) noted.paints.push([writtenAt, at]);
  };
  port2.postMessage(undefined);
}

function watch() {
  new MutationObserver((records) => isCounting && look(records)).observe(document.documentElement, {
    subtree: true,
    childList: true,
    characterData: true,
  });
  const ready = () => {
    if (document.querySelector('ul.sessions li')) noted.readyAt = performance.now();
    else requestAnimationFrame(ready);
  };
  ready();
}
if (document.documentElement) watch();
else document.addEventListener('DOMContentLoaded', watch);
new PerformanceObserver((list) => noted.longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
  type: 'longtask',
});
new PerformanceObserver((list) => {
  for (const { name, duration } of list.getEntries()) if (name === 'keydown') noted.inputs.push(duration);
}).observe({ type: 'event', durationThreshold: 16 });
