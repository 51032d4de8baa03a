/** Numbers and times as a person reads them. */
import { locale, t } from '../strings/t.js';

/** Made when the language is known. */
const lazily = <Value>(make: () => Value): (() => Value) => {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
};

const TIME = { hour: 'numeric', minute: '2-digit' } as const;
const numbers = (options: Intl.NumberFormatOptions) => lazily(() => new Intl.NumberFormat(locale(), options));
const times = (options: Intl.DateTimeFormatOptions) => lazily(() => new Intl.DateTimeFormat(locale(), options));
const currency = numbers({ style: 'currency', currency: 'USD' });
const percent = numbers({ style: 'percent', maximumFractionDigits: 0 });
const compact = numbers({ notation: 'compact', maximumFractionDigits: 1 });
const tenths = numbers({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
const hour = times(TIME);
const day = times({ weekday: 'short', ...TIME });
const full = times({ dateStyle: 'medium', timeStyle: 'short' });

export const dollars = (amount: number): string => currency().format(amount);

/** Of a share from 0 to 1. */
export const inPercent = (share: number): string => percent().format(share);

/** Of a number of bytes. */
export function kilobytes(bytes: number): string {
  const unit = bytes < 1000 ? 'byte' : bytes < 1_000_000 ? 'kilobyte' : 'megabyte';
  const amount = unit === 'byte' ? bytes : bytes / (unit === 'kilobyte' ? 1000 : 1_000_000);
  const unitDisplay = unit === 'byte' ? 'long' : 'short';
  const options = { style: 'unit', unit, unitDisplay, maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale(), options).format(amount);
}

export const tokens = (count: number): string => compact().format(count);

/** The hour of today, otherwise with its day: to follow a verb. */
export function moment(iso: string): string {
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? t('time.today', { time: hour().format(at) }) : t('time.day', { time: day().format(at) });
}

/** A part of the address. Somebody can have typed it. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone `%`.
    return part;
  }
}

/** With its date, for a list. */
export const fullMoment = (iso: string): string => full().format(new Date(iso));

/** Of a duration in milliseconds. */
export const inSeconds = (ms: number): string => tenths().format(ms / 1000);
