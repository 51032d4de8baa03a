import { type FormEvent, useState } from 'react';
import { useLocation } from 'wouter';
import { searchAll } from '../../client/rest/index.js';
import type { SearchResult } from '../../protocol/search.js';
import { t } from '../strings/t.js';
import { Loaded } from './loaded.js';
import { hrefOf } from './message-actions.js';
import { Moment } from './moment.js';
import { marked } from './snippet.js';
import { useLoad } from './use-load.js';

/** Searches the open session; each result links to its message. */
export function SessionSearch({ sessionId }: { sessionId: string }) {
  const [words, setWords] = useState('');
  const [asked, setAsked] = useState('');
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(words.trim());
  };
  return (
    <search className="session-search">
      <form onSubmit={onSubmit} className="bar">
        <input
          type="search"
          aria-label={t('session.searchWords')}
          placeholder={t('session.searchWords')}
          value={words}
          onChange={({ target }) => setWords(target.value)}
          ref={focusOnce}
          maxLength={1000}
          dir="auto"
          required
        />
        <button type="submit">{t('search.submit')}</button>
      </form>
      {asked !== '' && <Results key={asked} sessionId={sessionId} asked={asked} />}
    </search>
  );
}

const focusOnce = (field: HTMLInputElement | null): void => field?.focus();

function Results({ sessionId, asked }: { sessionId: string; asked: string }) {
  const found = useLoad((rest) => searchAll(rest, { query: { q: asked, sessionId: sessionId as never } }));
  return (
    <section aria-label={t('search.results')}>
      <Loaded of={found}>
        {({ results, complete, hasMore }) => (
          <>
            {!complete && <p role="status">{t('search.incomplete')}</p>}
            {results.length === 0 && <p role="status">{t('search.none')}</p>}
            <ol>
              {results.map((result) => (
                <li key={`${result.seq} ${result.toolId}`}>
                  <Result sessionId={sessionId} result={result} />
                </li>
              ))}
            </ol>
            {hasMore && <p className="quiet">{t('session.searchMore')}</p>}
          </>
        )}
      </Loaded>
    </section>
  );
}

function Result({ sessionId, result }: { sessionId: string; result: SearchResult }) {
  const [, navigate] = useLocation();
  const { role, toolName, toolId, messageId, timestamp, snippet } = result;
  const id = toolId ?? messageId;
  return (
    <button
      type="button"
      disabled={id === undefined}
      onClick={() => id !== undefined && navigate(hrefOf(sessionId, id))}
    >
      <span className="quiet">
        {toolName ?? t(`search.by.${role}`)} · <Moment at={timestamp} />
      </span>
      <span className="snippet" dir="auto">
        {marked(snippet)}
      </span>
    </button>
  );
}
