import { createElement, type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react';
import { noteOf } from '../store/note.js';
import { lineIn, type PatchLine } from '../store/patch-lines.js';
import { t } from '../strings/t.js';
import { addToDraft } from './draft-notes.js';
import type { KeptNotes } from './kept-notes.js';
import { Refusal } from './refusal.js';

export interface NotedLinesProps {
  sessionId: string;
  lines: readonly PatchLine[];
  /** Comments that are not added yet. Another line, another view or none leaves them. */
  notes: KeptNotes;
  /** What else can be done with a line that is chosen. */
  more?: (line: PatchLine) => ReactNode;
  /** The class of a line. */
  kindOf: (text: string) => string;
  className: string;
  /** The lines in colours, once they are there. */
  pieces?: readonly ReactNode[] | undefined;
}

const STEPS: Record<string, (from: number, last: number) => number> = {
  ArrowDown: (from, last) => Math.min(from + 1, last),
  ArrowUp: (from) => Math.max(from - 1, 0),
  Home: () => 0,
  End: (_, last) => last,
};

/** Focus goes from line to line by the arrow keys: of all of them, one is reached by Tab. */
function move(event: KeyboardEvent<HTMLElement>): void {
  const lines = [...event.currentTarget.querySelectorAll<HTMLElement>('button[aria-expanded]')];
  const from = event.target instanceof HTMLElement ? lines.indexOf(event.target) : -1;
  const to = from < 0 ? undefined : STEPS[event.key]?.(from, lines.length - 1);
  if (to === undefined) return;
  event.preventDefault();
  lines[to]?.focus();
}

/** Which line is chosen, and what becomes of its comment. */
function useNotes({ sessionId, notes }: Pick<NotedLinesProps, 'sessionId' | 'notes'>) {
  const [chosen, setChosen] = useState<number>();
  const [waiting, setWaiting] = useState(notes.size);
  const [isAdded, setAdded] = useState(false);
  const [isRefused, setRefused] = useState(false);
  /** Returns whether the line is done with. */
  const add = ({ place, text }: PatchLine, index: number): boolean => {
    const words = notes.get(index) ?? '';
    const isWritten = words.trim() !== '';
    const isTaken = !isWritten || addToDraft(sessionId, `${place}\n${noteOf(text, words)}`);
    setRefused(!isTaken);
    if (!isTaken) return false;
    notes.delete(index);
    setWaiting(notes.size);
    setAdded(isWritten);
    setChosen(undefined);
    return true;
  };
  const write = (words: string, index: number) => {
    notes.set(index, words);
    setWaiting(notes.size);
    setRefused(!notes.isKept);
  };
  const choose = (index: number) => {
    setAdded(false);
    setChosen(index);
  };
  return { chosen, waiting, isAdded, isRefused, add, write, choose };
}

/** Lines of which one is chosen, by the arrow keys or a pointer, to comment on it in the message. */
export function NotedLines({ sessionId, lines, notes, kindOf, className, pieces, more }: NotedLinesProps) {
  const [current, setCurrent] = useState(() => lines.findIndex(({ place }) => place !== undefined));
  const { chosen, waiting, isAdded, isRefused, add, write, choose } = useNotes({ sessionId, notes });
  const group = useRef<HTMLFieldSetElement>(null);
  const rows = lines.map((line, index) => (
    <>
      <Line
        line={line}
        kind={`${kindOf(line.text)}${notes.get(index)?.trim() ? ' written' : ''}`}
        piece={pieces?.[index]}
        isCurrent={index === current}
        isChosen={index === chosen}
        onFocus={() => setCurrent(index)}
        onChoose={() => choose(index)}
      />
      {index === chosen && (
        <NoteForm
          line={line}
          written={notes.get(index) ?? ''}
          onWrite={(words) => write(words, index)}
          onAdd={() => {
            if (add(line, index)) group.current?.querySelector<HTMLElement>('[aria-expanded="true"]')?.focus();
          }}
        >
          {more?.(line)}
        </NoteForm>
      )}
    </>
  ));
  return (
    <fieldset ref={group} aria-label={t('note.lines')} onKeyDown={move}>
      {createElement('div', { className: `${className} lines`, dir: 'ltr' }, ...rows)}
      <Refusal reason={isRefused ? t('composer.notKept') : undefined} />
      {waiting > 0 && <p className="quiet">{t('note.waiting', { count: waiting })}</p>}
      <p role="status" className="quiet">
        {isAdded ? t('note.added') : ''}
      </p>
    </fieldset>
  );
}

interface LineProps {
  line: PatchLine;
  kind: string;
  piece: ReactNode;
  isCurrent: boolean;
  isChosen: boolean;
  onFocus: () => void;
  onChoose: () => void;
}

function Line({ line: { text, place }, kind, piece = text, isCurrent, isChosen, onFocus, onChoose }: LineProps) {
  if (place === undefined) return <span className={kind}>{text}</span>;
  return (
    <button
      type="button"
      className={kind}
      data-line={lineIn(place)}
      aria-label={t('note.line', { place, text })}
      aria-expanded={isChosen}
      tabIndex={isCurrent ? 0 : -1}
      onFocus={onFocus}
      onClick={onChoose}
    >
      {piece}
    </button>
  );
}

const focusOnce = (field: HTMLTextAreaElement | null): void => field?.focus();

interface NoteFormProps {
  line: PatchLine;
  /** Before. */
  written: string;
  onWrite: (words: string) => void;
  onAdd: () => void;
  children: ReactNode;
}

function NoteForm({ line: { place = '' }, written, onWrite, onAdd, children }: NoteFormProps) {
  const [words, setWords] = useState(written);
  const id = useId();
  const write = (next: string) => {
    setWords(next);
    onWrite(next);
  };
  return (
    <div className="note">
      <label htmlFor={id}>{t('note.words', { what: place })}</label>
      <textarea
        id={id}
        ref={focusOnce}
        value={words}
        onChange={({ target }) => write(target.value)}
        rows={2}
        dir="auto"
      />
      <div className="row">
        <button type="button" onClick={onAdd}>
          {t(words.trim() === '' ? 'keys.close' : 'note.add')}
        </button>
        {children}
      </div>
    </div>
  );
}
