import { useState } from 'react';
import { patchLines } from '../store/patch-lines.js';
import { kindOf, MAX_LINES, useDiffColours } from './diff.js';
import { NotedLines } from './noted-lines.js';

export interface DiffNotesProps {
  sessionId: string;
  patch: string;
  path: string;
  /** See `NotedLines`. */
  notes: Map<number, string>;
}

/** A diff of whose lines each can be commented on. */
export function DiffNotes({ sessionId, patch, path, notes }: DiffNotesProps) {
  const [lines] = useState(() => patchLines(patch, path).slice(0, MAX_LINES));
  const { place, value: pieces } = useDiffColours<HTMLDivElement>({ patch, path });
  return (
    <div ref={place}>
      <NotedLines sessionId={sessionId} lines={lines} notes={notes} kindOf={kindOf} className="diff" pieces={pieces} />
    </div>
  );
}
