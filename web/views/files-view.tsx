import '../session.css';
import { type FormEvent, useState } from 'react';
import { Link as Anchor } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { listFiles, readFile } from '../../client/rest/index.js';
import type { FileEntry, FileList } from '../../protocol/files.js';
import { FileText } from '../parts/file-text.js';
import { decoded, kilobytes } from '../parts/format.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { SessionChanges } from '../parts/session-changes.js';
import { useLoad } from '../parts/use-load.js';
import { crumbsOf, filesHref, inOrder, isFolder, lineOf, pathOf, patternOf, requestPath } from '../store/files.js';
import { t } from '../strings/t.js';
import { useStore } from './use-console.js';

/** The most entries of a folder that are listed. */
const MOST = 1000;
/** And of those that are looked for. */
const MOST_FOUND = 100;

/** The files of a session's directory. The address has the path, so that it survives the page. */
export function FilesView() {
  // As it is: a path may have what an address has for something else.
  const [address] = useHashLocation();
  const [, , sessionId = '', path = '', line] = address.split('/').map(decoded);
  const name = useStore((state) => state.sessions.get(sessionId)?.view.projectName);
  return (
    <Page title={t('files.title')} back={{ href: `/s/${sessionId}`, label: t('files.back') }}>
      <Crumbs sessionId={sessionId} path={path} root={name ?? '…'} />
      {isFolder(path) ? (
        <Folder key={path} sessionId={sessionId} path={path} />
      ) : (
        <File key={path} sessionId={sessionId} path={path} line={lineOf(line)} />
      )}
    </Page>
  );
}

interface PlaceProps {
  sessionId: string;
  path: string;
}

function Crumbs({ sessionId, path, root }: PlaceProps & { root: string }) {
  const crumbs = [{ name: root, path: '' }, ...crumbsOf(path)];
  return (
    <nav className="crumbs" aria-label={t('files.path')} dir="ltr">
      {crumbs.map((crumb, index) => (
        <span key={crumb.path}>
          {index > 0 && '/ '}
          {index === crumbs.length - 1 ? (
            <strong aria-current="page">{crumb.name}</strong>
          ) : (
            <Anchor href={filesHref(sessionId, crumb.path)} className="touch">
              {crumb.name}
            </Anchor>
          )}
        </span>
      ))}
    </nav>
  );
}

function Folder({ sessionId, path }: PlaceProps) {
  const [pattern, setPattern] = useState<string>();
  const listed = useLoad(
    (rest) =>
      listFiles(rest, {
        params: { id: sessionId },
        query:
          pattern === undefined
            ? { path: requestPath(path), limit: MOST }
            : { path: requestPath(path), pattern, recursive: 'true', limit: MOST_FOUND },
      }),
    `${sessionId} ${path} ${pattern}`,
  );
  return (
    <>
      <Find onFind={setPattern} />
      {path === '' && pattern === undefined && <SessionChanges sessionId={sessionId} />}
      <section aria-label={t(pattern === undefined ? 'files.list' : 'files.found')}>
        <Loaded of={listed}>{(list) => <Entries sessionId={sessionId} list={list} isFound={!!pattern} />}</Loaded>
      </section>
    </>
  );
}

function Find({ onFind }: { onFind: (pattern: string | undefined) => void }) {
  const [words, setWords] = useState('');
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    onFind(patternOf(words));
  };
  return (
    <search>
      <form onSubmit={onSubmit} className="bar">
        <input
          type="search"
          aria-label={t('files.find')}
          placeholder={t('files.find')}
          value={words}
          onChange={({ target }) => {
            setWords(target.value);
            if (target.value === '') onFind(undefined);
          }}
          maxLength={100}
          spellCheck={false}
          autoCapitalize="none"
        />
        <button type="submit">{t('search.submit')}</button>
      </form>
    </search>
  );
}

function Entries({ sessionId, list, isFound }: { sessionId: string; list: FileList; isFound: boolean }) {
  const { files, total, truncated } = list;
  return (
    <>
      {files.length === 0 && <p role="status">{t(isFound ? 'search.none' : 'files.none')}</p>}
      <ul className="files">
        {inOrder(files).map((entry) => (
          <li key={entry.path}>
            <Entry sessionId={sessionId} entry={entry} isFound={isFound} />
          </li>
        ))}
      </ul>
      {truncated && <p className="quiet">{t('files.first', { shown: files.length, total })}</p>}
    </>
  );
}

function Entry({ sessionId, entry, isFound }: { sessionId: string; entry: FileEntry; isFound: boolean }) {
  const { name, path, type, size } = entry;
  const shown = isFound ? path : name;
  return (
    <Anchor href={filesHref(sessionId, pathOf(entry))}>
      <span dir="ltr">
        {shown}
        {type === 'directory' && '/'}
      </span>
      {size !== undefined && <span className="quiet">{kilobytes(size)}</span>}
    </Anchor>
  );
}

function File({ sessionId, path, line }: PlaceProps & { line: number | undefined }) {
  const read = useLoad((rest) => readFile(rest, { params: { id: sessionId, path } }));
  return (
    <Loaded of={read}>
      {(file) => (
        <>
          <p className="quiet">
            {kilobytes(file.size)} · <Moment at={file.modifiedAt} />
          </p>
          <FileText sessionId={sessionId} path={path} file={file} line={line} />
        </>
      )}
    </Loaded>
  );
}
