import { keptLanguage } from '../link/worker-language.js';
import { isLanguage, type Language, languageOf } from '../strings/languages.js';

/** That of the console, or else the first one of the browser's that there is. */
export async function language(): Promise<Language> {
  // A browser whose storage is broken has its own language all the same.
  const kept = await keptLanguage().catch(() => undefined);
  return kept ?? navigator.languages.map(languageOf).find(isLanguage) ?? 'en';
}
