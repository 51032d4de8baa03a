import { EN, type Forms, type StringKey, type Translation } from './en.js';
import { isLanguage, type Language, languageOf } from './languages.js';

const LOADERS: Record<Language, () => Promise<Translation>> = {
  en: async () => EN,
  de: async () => (await import('./de.js')).DE,
  zh: async () => (await import('./zh.js')).ZH,
};

const CHOSEN = 'language';
const RIGHT_TO_LEFT = new Set(['ar', 'fa', 'he', 'ur']);

let texts: Translation = EN;
let current: Language = 'en';
let plurals = new Intl.PluralRules('en');

/** That of the page. */
export const language = (): Language => current;

/** For numbers and dates: with the country that the browser names for the language. */
export const locale = (): string => navigator.languages.find((tag) => languageOf(tag) === current) ?? current;

/** Loads the language that the person has chosen, or else the first one of the browser's that there is. */
export async function loadLanguage(): Promise<void> {
  const wanted = [localStorage.getItem(CHOSEN) ?? '', ...navigator.languages].map(languageOf).find(isLanguage) ?? 'en';
  try {
    texts = await LOADERS[wanted]();
    current = wanted;
    plurals = new Intl.PluralRules(wanted);
  } catch (error) {
    // Without it the page is in English.
    console.warn(error);
  }
  document.documentElement.lang = current;
  document.documentElement.dir = RIGHT_TO_LEFT.has(current) ? 'rtl' : 'ltr';
}

/** Keeps the choice, and shows the page in it. */
export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(CHOSEN, chosen);
  location.reload();
}

/** The text in the language of the page, with its values. `count` chooses the form of the plural. */
export function t(key: StringKey, values: Readonly<Record<string, string | number>> = {}): string {
  const text: string | Forms = texts[key] ?? EN[key];
  const chosen = typeof text === 'string' ? text : (text[plurals.select(Number(values.count))] ?? text.other);
  return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
