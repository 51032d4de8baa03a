/** The language of the page, for the service worker: workers cannot read what the page has chosen. */
import { createStore, get, set } from 'idb-keyval';
import type { Language } from '../strings/languages.js';

const KEY = 'language';
const storage = createStore('claude-companion-worker', 'settings');

export const keepLanguage = (language: Language): Promise<void> => set(KEY, language, storage);

/** Undefined in a browser that has not opened the console since it has languages. */
export const keptLanguage = (): Promise<Language | undefined> => get<Language>(KEY, storage);
