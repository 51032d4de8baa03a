import { useState } from 'react';
import { Link as Anchor } from 'wouter';
import { visibleText } from '../../protocol/plain-text.js';
import { filesHref } from '../store/files.js';
import { lineIn, type PatchLine, patchLines, pathIn } from '../store/patch-lines.js';
import { t } from '../strings/t.js';
import { kindOf, MAX_LINES, useDiffColours } from './diff.js';
import { keptNotes } from './kept-notes.js';
import { NotedLines } from './noted-lines.js';

export interface DiffNotesProps {
  sessionId: string;
  patch: string;
  path: string;
}

/** A diff of whose lines each can be commented on. */
export function DiffNotes({ sessionId, patch: raw, path }: DiffNotesProps) {
  const [patch] = useState(() => visibleText(raw));
  const [lines] = useState(() => patchLines(patch, path).slice(0, MAX_LINES));
  const [notes] = useState(() => keptNotes(sessionId, { patch }));
  const { place, value: pieces } = useDiffColours<HTMLDivElement>({ patch, path });
  return (
    <div ref={place}>
      <NotedLines
        sessionId={sessionId}
        lines={lines}
        notes={notes}
        kindOf={kindOf}
        className="diff"
        pieces={pieces}
        more={(line) => <OpenFile sessionId={sessionId} line={line} />}
      />
    </div>
  );
}

/** A line that was removed is in no file, and files outside of the session's directory are not shown. */
function OpenFile({ sessionId, line: { text, place = '' } }: { sessionId: string; line: PatchLine }) {
  const path = pathIn(place);
  if (text.startsWith('-') || path === '' || path.startsWith('/')) return undefined;
  return (
    <Anchor href={filesHref(sessionId, path, Number(lineIn(place)))} className="touch">
      {t('files.open')}
    </Anchor>
  );
}
