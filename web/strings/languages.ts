/** The languages of the console, by their own names. */
export const LANGUAGES = { en: 'English', de: 'Deutsch', zh: '中文' } as const;
export type Language = keyof typeof LANGUAGES;

export const isLanguage = (name: string): name is Language => Object.hasOwn(LANGUAGES, name);

/** Of a tag such as `de-AT`. */
export const languageOf = (tag: string): string => tag.split('-')[0]?.toLowerCase() ?? '';
