import { useEffect, useState } from 'react';

/** The longest wait of a timer, in milliseconds. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** Whether the time is still to come; renders again when it has come. A time that is unknown never comes. */
export function useUntil(iso: string | undefined): boolean {
  const [now, setNow] = useState(Date.now);
  const left = iso === undefined ? undefined : Date.parse(iso) - now;
  useEffect(() => {
    if (left === undefined || left <= 0) return undefined;
    const timer = setTimeout(() => setNow(Date.now()), Math.min(left, MAX_WAIT_MS));
    return () => clearTimeout(timer);
  }, [left]);
  return left === undefined || left > 0;
}
