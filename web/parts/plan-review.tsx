import { createContext, useContext, useEffect, useRef, useState } from 'react';
import * as z from 'zod';
import { noteOf, shortOf } from '../store/note.js';
import { t } from '../strings/t.js';
import { useKeptAnswer } from './kept-answers.js';
import { Markdown, PartFrame, type PartProps } from './markdown.js';
import type { RequestProps } from './permission-card.js';

const planSchema = z.object({ plan: z.string() });

type Note = readonly [part: string, words: string];

/** The comments on the parts, in the order of the parts, which is that of the fields of a form. */
const notesIn = (form: HTMLFormElement): readonly Note[] =>
  [...new FormData(form)].flatMap(([part, words]) =>
    typeof words === 'string' && words.trim() !== '' ? [[part, words] as const] : [],
  );

/** What was written on the parts before the page was loaded. */
const KeptNotes = createContext<readonly Note[]>([]);

/** A plan, to be accepted with or without questions about edits, or sent back with what should change, in general and of its parts. */
export function PlanReview({ request, isBusy, onAnswer, denial }: RequestProps) {
  const { permissionId, toolInput, options } = request;
  const [message, setMessage] = useKeptAnswer(permissionId, 'message', () => '');
  const { data } = planSchema.safeParse(toolInput);
  const [notes, setNotes] = useKeptAnswer<readonly Note[]>(permissionId, 'notes', () => []);
  const [kept] = useState(notes);
  const words = [...notes.map(([part, note]) => noteOf(part, note)), message.trim()].join('\n\n').trim();
  const told = words === '' ? {} : { message: words };
  useEffect(() => {
    denial.current = told;
  });
  return (
    <>
      <form className="plan" tabIndex={0} onInput={({ currentTarget }) => setNotes(notesIn(currentTarget))}>
        <KeptNotes value={kept}>
          <PartFrame value={Noted}>
            {data ? <Markdown text={data.plan} /> : <p className="refusal">{t('plan.missing')}</p>}
          </PartFrame>
        </KeptNotes>
      </form>
      <label>
        {t('plan.change')}
        <textarea value={message} onChange={({ target }) => setMessage(target.value)} rows={2} dir="auto" />
      </label>
      <div className="row">
        <button type="button" className="primary" disabled={isBusy || words !== ''} onClick={() => onAnswer('allow')}>
          {t('permission.allow')}
        </button>
        {options.includes('acceptEdits') && (
          <button type="button" disabled={isBusy || words !== ''} onClick={() => onAnswer('acceptEdits')}>
            {t('plan.acceptEdits')}
          </button>
        )}
        <button type="button" disabled={isBusy} onClick={() => onAnswer('deny', told)}>
          {t('permission.deny')}
        </button>
      </div>
    </>
  );
}

/** A part of the plan, with a comment on it once it is asked for. */
function Noted({ raw, children }: PartProps) {
  const part = raw.trim();
  const written = useContext(KeptNotes).find(([of]) => of === part)?.[1];
  const [isOpen, setOpen] = useState(written !== undefined);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (isOpen && field.current?.value === '') field.current.focus();
  }, [isOpen]);
  const label = t('note.on', { what: shortOf(part) });
  const toggle = () => {
    // What is written there stays.
    if (field.current?.value.trim()) field.current.focus();
    else setOpen(!isOpen);
  };
  return (
    <div className="noted">
      <div>{children}</div>
      <button type="button" className="icon" aria-label={label} aria-expanded={isOpen} onClick={toggle}>
        ✎
      </button>
      {isOpen && (
        <textarea
          ref={field}
          name={part}
          defaultValue={written}
          aria-label={t('note.words', { what: shortOf(part) })}
          rows={2}
          dir="auto"
        />
      )}
    </div>
  );
}
