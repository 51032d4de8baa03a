import { type FormEvent, useState } from 'react';
import { Link as Anchor, useLocation, useParams } from 'wouter';
import { type RestClient, searchAll } from '../../client/rest/index.js';
import type { SearchResult, SearchResults } from '../../protocol/search.js';
import { decoded } from '../parts/format.js';
import { Loaded } from '../parts/loaded.js';
import { hrefOf } from '../parts/message-actions.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { Refusal } from '../parts/refusal.js';
import { Select } from '../parts/select.js';
import { marked } from '../parts/snippet.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { t } from '../strings/t.js';
import { useConsole } from './use-console.js';

const SPEAKERS = ['', 'user', 'assistant', 'tool'] as const;
type Speaker = (typeof SPEAKERS)[number];

/** What was said in all sessions. The words are in the address, so that the way back leads to them. */
export function SearchView() {
  const { words = '' } = useParams<{ words?: string }>();
  const asked = decoded(words);
  const [speaker, setSpeaker] = useState<Speaker>('');
  return (
    <Page title={t('search.title')}>
      <Words key={asked} asked={asked} />
      <Select
        label={t('search.by')}
        value={speaker}
        options={SPEAKERS}
        onChoose={setSpeaker}
        wordsOf={(one) => t(`search.by.${one === '' ? 'anyone' : one}`)}
      />
      {asked !== '' && <Results key={`${speaker} ${asked}`} asked={asked} speaker={speaker} />}
    </Page>
  );
}

function Words({ asked }: { asked: string }) {
  const [, navigate] = useLocation();
  const [words, setWords] = useState(asked);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    navigate(`/search/${encodeURIComponent(words.trim())}`, { replace: asked !== '' });
  };
  return (
    <search>
      <form onSubmit={onSubmit}>
        <label>
          {t('search.words')}
          <input
            type="search"
            value={words}
            onChange={({ target }) => setWords(target.value)}
            aria-describedby="search-help"
            maxLength={1000}
            dir="auto"
            required
          />
        </label>
        <p id="search-help" className="quiet">
          {t('search.help')}
        </p>
        <button type="submit" className="primary">
          {t('search.submit')}
        </button>
      </form>
    </search>
  );
}

interface Question {
  asked: string;
  speaker: Speaker;
}

const ask = (rest: RestClient, { asked, speaker }: Question, cursor?: string): Promise<SearchResults> =>
  searchAll(rest, {
    query: { q: asked, ...(speaker !== '' && { role: speaker }), ...(cursor !== undefined && { cursor }) },
  });

function Results(question: Question) {
  const first = useLoad((rest) => ask(rest, question));
  return (
    <section aria-label={t('search.results')}>
      <Loaded of={first}>{(page) => <Found question={question} first={page} />}</Loaded>
    </section>
  );
}

function Found({ question, first }: { question: Question; first: SearchResults }) {
  const { link } = useConsole();
  const action = useAction();
  const [later, setLater] = useState<readonly SearchResults[]>([]);
  const pages = [first, ...later];
  const { nextCursor } = later.at(-1) ?? first;
  const more = async () => setLater([...later, await ask(link.rest, question, nextCursor)]);
  return (
    <>
      {!first.complete && <p role="status">{t('search.incomplete')}</p>}
      {first.results.length === 0 && <p role="status">{t('search.none')}</p>}
      <ol className="cards">
        {pages.flatMap(({ results }) =>
          results.map((result) => (
            <li key={keyOf(result)} className="item">
              <Result result={result} />
            </li>
          )),
        )}
      </ol>
      <Refusal reason={action.refusal} />
      {nextCursor !== undefined && (
        <button type="button" disabled={action.isBusy} onClick={() => void action.run(more)}>
          {t('search.more')}
        </button>
      )}
    </>
  );
}

const keyOf = ({ sessionId, claudeSessionId, seq, messageId, toolId, timestamp }: SearchResult): string =>
  [sessionId, claudeSessionId, seq, messageId, toolId, timestamp].join(' ');

function Result({ result }: { result: SearchResult }) {
  const { sessionId, sessionName, directory, role, toolName, timestamp } = result;
  const id = result.toolId ?? result.messageId;
  const name = sessionName ?? directory.split('/').at(-1);
  return (
    <>
      {sessionId === undefined ? (
        <strong>{t('search.terminal', { directory })}</strong>
      ) : (
        <Anchor href={id === undefined ? `/s/${sessionId}` : hrefOf(sessionId, id)} className="touch">
          {name}
        </Anchor>
      )}
      <p className="quiet">
        {toolName ?? t(`search.by.${role}`)} · <Moment at={timestamp} />
      </p>
      <p className="snippet" dir="auto">
        {marked(result.snippet)}
      </p>
    </>
  );
}
