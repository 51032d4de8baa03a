import { createElement, type ReactNode, type RefObject, useEffect, useState } from 'react';
import { Link as Anchor } from 'wouter';
import type { FileContent } from '../../protocol/files.js';
import { visibleText } from '../../protocol/plain-text.js';
import { languageOfFile } from '../store/code-language.js';
import { fileLines, filesHref } from '../store/files.js';
import { lineIn, type PatchLine, pathIn } from '../store/patch-lines.js';
import { t } from '../strings/t.js';
import { CopyButton } from './copy-button.js';
import { keptNotes } from './kept-notes.js';
import { light } from './light.js';
import { NotedLines } from './noted-lines.js';
import { Refusal } from './refusal.js';
import { useWhenSeen } from './use-when-seen.js';

export interface FileTextProps {
  sessionId: string;
  path: string;
  file: FileContent;
  /** The line that the address names. */
  line: number | undefined;
}

/** So many lines are drawn at once, and more where they are asked for. */
const PAGE = 2000;
const kindOf = () => '';

/** A file, of whose lines each can be commented on. */
export function FileText({ file, ...props }: FileTextProps) {
  const { path } = props;
  const { content, encoding, mimeType } = file;
  if (encoding === 'base64' && mimeType.startsWith('image/'))
    return <img className="file-image" src={`data:${mimeType};base64,${content}`} alt={path} />;
  if (encoding === 'base64') return <p role="status">{t('files.binary', { type: mimeType })}</p>;
  if (content === '') return <p role="status">{t('files.empty')}</p>;
  return <Lines {...props} content={content} />;
}

/** As many lines as there are on the page with this one. */
const pageWith = (line = 1): number => Math.ceil(line / PAGE) * PAGE;

function Lines({ sessionId, path, content: raw, line }: Omit<FileTextProps, 'file'> & { content: string }) {
  // Nothing in it is hidden.
  const [content] = useState(() => visibleText(raw));
  const [lines] = useState(() => fileLines(content, path));
  const [asked, setCount] = useState(PAGE);
  const count = Math.max(asked, pageWith(line));
  const [notes] = useState(() => keptNotes(sessionId, { path }));
  const [isNoting, setNoting] = useState(notes.size > 0);
  const { place, value: pieces } = useColours(path, content);
  useLine(place, line);
  const shown = lines.slice(0, count);
  return (
    <>
      {line !== undefined && line > lines.length && (
        <Refusal reason={t('files.noLine', { line, total: lines.length })} />
      )}
      <div className="row">
        <button type="button" aria-pressed={isNoting} onClick={() => setNoting(!isNoting)}>
          {t('note.lines')}
        </button>
        <Anchor href={`/s/${sessionId}`} className="touch">
          {t('files.back')}
        </Anchor>
      </div>
      <div ref={place} className="notable">
        {isNoting ? (
          <NotedLines
            sessionId={sessionId}
            lines={shown}
            notes={notes}
            kindOf={kindOf}
            className="file"
            pieces={pieces}
            more={(one) => <CopyButton label={t('copy.line')} text={() => addressOf(sessionId, one)} />}
          />
        ) : (
          <Plain lines={shown} pieces={pieces} />
        )}
      </div>
      {count < lines.length && (
        <button type="button" onClick={() => setCount(count + PAGE)}>
          {t('files.more', { shown: count, total: lines.length })}
        </button>
      )}
    </>
  );
}

const addressOf = (sessionId: string, { place = '' }: PatchLine): string =>
  new URL(`/#${filesHref(sessionId, pathIn(place), Number(lineIn(place)))}`, location.href).href;

/** Shows the line that the address names, for the eye and for who hears the page. */
function useLine(place: RefObject<HTMLElement | null>, line: number | undefined): void {
  useEffect(() => {
    const element = line === undefined ? undefined : place.current?.querySelector(`[data-line="${line}"]`);
    element?.scrollIntoView({ block: 'center' });
    if (element) light(element);
  }, [place, line]);
}

/** To be read and marked, which the text of a button cannot be. */
function Plain({ lines, pieces }: { lines: readonly PatchLine[]; pieces: readonly ReactNode[] | undefined }) {
  const rows = lines.map((line, index) => plainLine(line, pieces?.[index]));
  return createElement('pre', { className: 'file', dir: 'ltr', tabIndex: 0 }, ...rows);
}

const plainLine = ({ text, place = '' }: PatchLine, piece: ReactNode = text) => (
  <span data-line={lineIn(place)}>
    {piece}
    {'\n'}
  </span>
);

/** Undefined while they are not there, and for a text that stays plain. */
const useColours = (path: string, content: string) =>
  useWhenSeen<HTMLDivElement, readonly ReactNode[] | undefined>(async () => {
    const language = languageOfFile(path, content);
    if (language === undefined) return undefined;
    return (await import('./colours.js')).colouredLines(content.replaceAll('\r\n', '\n'), language);
  }, `${path} ${content}`);
