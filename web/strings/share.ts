/** The texts of the view of what was shared, which are loaded with it. */
import type { Language } from './languages.js';

interface Texts {
  to: string;
  none: string;
}

export const SHARE_TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    to: 'Into the message of',
    none: 'Nothing was shared.',
  },
  de: {
    to: 'In die Nachricht von',
    none: 'Es wurde nichts geteilt.',
  },
  zh: {
    to: '放入以下会话的消息',
    none: '没有分享的内容。',
  },
};
