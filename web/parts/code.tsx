import { memo, type ReactNode, useEffect, useRef, useState } from 'react';
import { type CodeLanguage, languageOf } from '../store/code-language.js';

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
  const place = useRef<HTMLSpanElement>(null);
  const [pieces, setPieces] = useState<ReactNode>();
  useEffect(() => {
    let isGone = false;
    const show = async () => {
      const { coloured } = await import('./colours.js');
      const found = await coloured(text, language);
      if (!isGone) setPieces(found);
    };
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      seen.disconnect();
      // Plain text says the same, whatever went wrong.
      void show().catch(() => {});
    });
    if (place.current) seen.observe(place.current);
    return () => {
      isGone = true;
      seen.disconnect();
    };
  }, [text, language]);
  return <span ref={place}>{pieces ?? text}</span>;
}
