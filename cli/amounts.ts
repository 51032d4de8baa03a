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

const NUMBER_DECIMALS = 6;

/** US dollars for people: cents, and small amounts with two significant digits. */
export function dollars(amount: number): string {
  if (amount >= 0.1 || amount <= 0) return `$${amount.toFixed(2)}`;
  return amount < 0.0001 ? '<$0.0001' : `$${amount.toFixed(4)}`;
}

/** US dollars for programs, without the rounding errors of binary fractions. */
export const roundedDollars = (amount: number | null): number | null =>
  amount === null ? null : Number(amount.toFixed(NUMBER_DECIMALS));
