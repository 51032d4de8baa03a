const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** In the largest unit with a count of two or more; a clock that was set back gives 0, not a negative time. */
export function elapsed(seconds: number): string {
  const [unit, size] = UNITS.find(([, unitSeconds]) => seconds >= 2 * unitSeconds) ?? ['s', 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}

/** The time since an ISO 8601 time, such as `3 min`. */
export const since = (time: string, now = Date.now()): string => elapsed((now - Date.parse(time)) / 1000);
