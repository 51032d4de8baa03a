import { createElement, type ReactNode, useState } from 'react';
import { Link as Anchor } from 'wouter';
import type { FileContent } from '../../protocol/files.js';
import { languageOfFile } from '../store/code-language.js';
import { fileLines } from '../store/files.js';
import { lineIn, type PatchLine } from '../store/patch-lines.js';
import { t } from '../strings/t.js';
import { NotedLines } from './noted-lines.js';
import { useWhenSeen } from './use-when-seen.js';

export interface FileTextProps {
  sessionId: string;
  path: string;
  file: FileContent;
}

/** So many lines are drawn at once, and more where they are asked for. */
const PAGE = 2000;
const kindOf = () => '';

/** A file, of whose lines each can be commented on. */
export function FileText({ sessionId, path, file }: FileTextProps) {
  const { content, encoding, mimeType } = file;
  if (encoding === 'base64' && mimeType.startsWith('image/'))
    return <img className="file-image" src={`data:${mimeType};base64,${content}`} alt={path} />;
  if (encoding === 'base64') return <p role="status">{t('files.binary', { type: mimeType })}</p>;
  if (content === '') return <p role="status">{t('files.empty')}</p>;
  return <Lines sessionId={sessionId} path={path} content={content} />;
}

function Lines({ sessionId, path, content }: Pick<FileTextProps, 'sessionId' | 'path'> & { content: string }) {
  const [lines] = useState(() => fileLines(content, path));
  const [count, setCount] = useState(PAGE);
  const [isNoting, setNoting] = useState(false);
  const [notes] = useState(() => new Map<number, string>());
  const { place, value: pieces } = useColours(path, content);
  const shown = lines.slice(0, count);
  return (
    <>
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
