const NUMBER_DECIMALS = 6;

/** US dollars for people: cents, and small amounts with two significant digits. */
export function dollars(amount: number): string {
  if (amount >= 0.1 || amount <= 0) return `$${amount.toFixed(2)}`;
  return amount < 0.0001 ? '<$0.0001' : `$${amount.toFixed(4)}`;
}

/** US dollars for programs, without the rounding errors of binary fractions. */
export const roundedDollars = (amount: number | null): number | null =>
  amount === null ? null : Number(amount.toFixed(NUMBER_DECIMALS));
