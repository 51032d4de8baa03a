import { createElement, type KeyboardEvent, useId, useRef, useState } from 'react';
import { noteOf } from '../store/note.js';
import { type PatchLine, patchLines } from '../store/patch-lines.js';
import { t } from '../strings/t.js';
import { kindOf, MAX_LINES } from './diff.js';
import { addToDraft } from './draft-notes.js';

export interface DiffNotesProps {
  sessionId: string;
  patch: string;
  path: string;
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

/** A diff of which a line is chosen, by the arrow keys or a pointer, to comment on it in the message. */
export function DiffNotes({ sessionId, patch, path }: DiffNotesProps) {
  const [lines] = useState(() => patchLines(patch, path).slice(0, MAX_LINES));
  const [current, setCurrent] = useState(() => lines.findIndex(({ place }) => place !== undefined));
  const [chosen, setChosen] = useState<number>();
  const [isAdded, setAdded] = useState(false);
  const group = useRef<HTMLFieldSetElement>(null);
  const add = ({ place, text }: PatchLine, words: string) => {
    const isWritten = words.trim() !== '';
    if (isWritten) addToDraft(sessionId, `${place}\n${noteOf(text, words)}`);
    setAdded(isWritten);
    setChosen(undefined);
    group.current?.querySelector<HTMLElement>('[aria-expanded="true"]')?.focus();
  };
  const choose = (index: number) => {
    setAdded(false);
    setChosen(index);
  };
  const rows = lines.map((line, index) => (
    <>
      <Line
        line={line}
        isCurrent={index === current}
        isChosen={index === chosen}
        onFocus={() => setCurrent(index)}
        onChoose={() => choose(index)}
      />
      {index === chosen && <NoteForm line={line} onAdd={(words) => add(line, words)} />}
    </>
  ));
  return (
    <fieldset ref={group} aria-label={t('note.lines')} onKeyDown={move}>
      {createElement('div', { className: 'diff lines', dir: 'ltr' }, ...rows)}
      <p role="status" className="quiet">
        {isAdded ? t('note.added') : ''}
      </p>
    </fieldset>
  );
}

interface LineProps {
  line: PatchLine;
  isCurrent: boolean;
  isChosen: boolean;
  onFocus: () => void;
  onChoose: () => void;
}

function Line({ line: { text, place }, isCurrent, isChosen, onFocus, onChoose }: LineProps) {
  if (place === undefined) return <span className={kindOf(text)}>{text}</span>;
  return (
    <button
      type="button"
      className={kindOf(text)}
      aria-label={t('note.line', { place, text })}
      aria-expanded={isChosen}
      tabIndex={isCurrent ? 0 : -1}
      onFocus={onFocus}
      onClick={onChoose}
    >
      {text}
    </button>
  );
}

const focusOnce = (field: HTMLTextAreaElement | null): void => field?.focus();

function NoteForm({ line: { place = '' }, onAdd }: { line: PatchLine; onAdd: (words: string) => void }) {
  const [words, setWords] = useState('');
  const id = useId();
  return (
    <div className="note">
      <label htmlFor={id}>{t('note.words', { what: place })}</label>
      <textarea
        id={id}
        ref={focusOnce}
        value={words}
        onChange={({ target }) => setWords(target.value)}
        rows={2}
        dir="auto"
      />
      <button type="button" onClick={() => onAdd(words)}>
        {t(words.trim() === '' ? 'keys.close' : 'note.add')}
      </button>
    </div>
  );
}
