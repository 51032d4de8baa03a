import { memo, type ReactNode } from 'react';
import { type CodeLanguage, languageOf } from '../store/code-language.js';
import { useWhenSeen } from './use-when-seen.js';

export interface CodeProps {
  text: string;
  /** As it is named behind a fence; without it the text stays plain. */
  language?: string | undefined;
}

/** Code that will not change. It gets its colours once, when it is seen, and without them it is the same text. */
export const Code = memo(({ text, language: name }: CodeProps) => {
  const language = languageOf(name, text);
  return language === undefined ? text : <Coloured key={`${language} ${text}`} text={text} language={language} />;
});

function Coloured({ text, language }: { text: string; language: CodeLanguage }) {
  const { place, value: pieces } = useWhenSeen<HTMLSpanElement, ReactNode>(
    async () => (await import('./colours.js')).coloured(text, language),
    '',
  );
  return <span ref={place}>{pieces ?? text}</span>;
}
