/** Counts the timers that are set and neither cleared nor over, from here until `close`. Intervals count until cleared. */
export function openTimerLedger() {
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  const live = new Set<unknown>();
  const ledger = {
    setTimeout: (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      const timer = setTimeout(() => {
        live.delete(timer);
        run(...args);
      }, ms);
      live.add(timer);
      return timer;
    },
    setInterval: (run: () => void, ms?: number) => {
      const timer = setInterval(run, ms);
      live.add(timer);
      return timer;
    },
    clearTimeout: (timer: NodeJS.Timeout | undefined) => {
      live.delete(timer);
      clearTimeout(timer);
    },
    clearInterval: (timer: NodeJS.Timeout | undefined) => {
      live.delete(timer);
      clearInterval(timer);
    },
  };
  Object.assign(globalThis, ledger);
  return {
    live: () => live.size,
    close: () => void Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval }),
  };
}
