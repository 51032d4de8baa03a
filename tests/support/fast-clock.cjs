/**
 * Lets time pass faster in the daemon, for what takes half a minute by contract: timers fire early, and the monotonic
 * clock agrees with them. Wall clock and children are left alone. `FAST_CLOCK` says how many times faster.
 */
const factor = Number(process.env.FAST_CLOCK ?? 1);
if (factor !== 1 && process.argv[1]?.endsWith('dist/server/main.js')) {
  const { now } = performance;
  const start = now.call(performance);
  performance.now = () => start + (now.call(performance) - start) * factor;
  for (const name of ['setTimeout', 'setInterval']) {
    const original = globalThis[name];
    globalThis[name] = Object.assign((callback, ms, ...rest) => original(callback, ms / factor, ...rest), original);
  }
}
