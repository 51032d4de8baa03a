/** What a notification says, in the language of the console. Pure. */
import type { Language } from '../strings/languages.js';
import { PUSH_TEXTS } from '../strings/pushes.js';

type Values = Readonly<Record<string, string | number>>;

/** The part of a push that is read. `words` comes from daemons that know of languages. */
export interface Worded {
  title?: string;
  subtitle?: string;
  body?: string;
  words?: { name: string; values: Values; isQuoted: boolean };
}

/** As the daemon has said it, in English, where this is not known in the language. */
export function inLanguage<Push extends Worded>(push: Push, language: Language): Push {
  const { words } = push;
  if (!words || language === 'en') return push;
  const text = PUSH_TEXTS[language].texts[words.name];
  if (!text) return push;
  const values = valuesOf(words.values, language);
  return {
    ...push,
    ...(text.title !== undefined && { title: filled(text.title, values) }),
    subtitle: filled(text.subtitle, values),
    ...(!words.isQuoted && { body: filled(text.body, values) }),
  };
}

function valuesOf(values: Values, language: Exclude<Language, 'en'>): Values {
  const { after, period, of, tokens, refused } = PUSH_TEXTS[language];
  const { used = 0, limit = 0 } = values;
  const dollars = new Intl.NumberFormat(language, { style: 'currency', currency: 'USD' });
  const whole = new Intl.NumberFormat(language);
  const amount =
    values.unit === 'tokens'
      ? filled(tokens, { used: whole.format(Number(used)), limit: whole.format(Number(limit)) })
      : `${dollars.format(Number(used))} / ${dollars.format(Number(limit))}`;
  const seconds = Number(values.seconds ?? 0);
  return {
    ...values,
    amount,
    after: seconds < 1 ? '' : filled(after, { time: timeOf(seconds, language) }),
    period: period[String(values.period)] ?? '',
    of: of[String(values.of)] ?? '',
    refused: values.stops === 1 ? refused : '',
  };
}

const MINUTE_S = 60;

function timeOf(seconds: number, language: Language): string {
  const inUnit = (count: number, unit: string) =>
    new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short' }).format(count);
  if (seconds < MINUTE_S) return inUnit(seconds, 'second');
  const minutes = Math.round(seconds / MINUTE_S);
  if (minutes < MINUTE_S) return inUnit(minutes, 'minute');
  return `${inUnit(Math.floor(minutes / MINUTE_S), 'hour')} ${inUnit(minutes % MINUTE_S, 'minute')}`;
}

const filled = (text: string, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
