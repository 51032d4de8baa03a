import { type FormEvent, type KeyboardEvent, useEffect, useEffectEvent, useRef, useState } from 'react';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { COMPLETION_ID, CompletionList, choiceId } from './completion-list.js';
import { AddImages, ImageBar } from './image-bar.js';
import { Refusal } from './refusal.js';
import { TakeAlong } from './take-along.js';
import type { Mode } from './unsent.js';
import { useAction } from './use-action.js';
import { useCompletion } from './use-completion.js';
import { type Draft, useDraft } from './use-draft.js';

export interface ComposerProps {
  sessionId: string;
  isWorking: boolean;
}

export function Composer({ sessionId, isWorking }: ComposerProps) {
  const draft = useDraft(sessionId);
  const suggestion = useStore((state) => state.suggestions.get(sessionId));
  const [mode, setMode] = useState<Mode>('queue');
  const submit = () => void draft.send(isWorking ? mode : 'queue');
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    submit();
  };
  return (
    <form className="composer" onSubmit={onSubmit}>
      <NotSent sessionId={sessionId} draft={draft} />
      {suggestion !== undefined && draft.text === '' && !isWorking && (
        <button type="button" className="suggestion" onClick={() => draft.write(suggestion)}>
          {t('composer.suggestion', { text: suggestion })}
        </button>
      )}
      <ImageBar images={draft.images} />
      <MessageField sessionId={sessionId} draft={draft} onSubmit={submit} />
      <div className="row">
        <AddImages images={draft.images} />
        {isWorking && <ModeChoice mode={mode} onChoose={setMode} />}
        {isWorking && <StopButton sessionId={sessionId} />}
        <button type="submit" className="primary" disabled={!draft.canSend}>
          {t('session.send')}
        </button>
      </div>
    </form>
  );
}

function NotSent({ sessionId, draft: { refusal, isOver, isKept } }: { sessionId: string; draft: Draft }) {
  const reason = isOver ? t('session.over') : refusal;
  return (
    <>
      <Refusal reason={reason === undefined ? undefined : t('session.notSent', { reason })} />
      {isOver && (
        <p>
          <TakeAlong sessionId={sessionId} />
        </p>
      )}
      <Refusal reason={isKept ? undefined : t('composer.notKept')} />
    </>
  );
}

interface MessageFieldProps {
  sessionId: string;
  draft: Draft;
  onSubmit: () => void;
}

function MessageField({ sessionId, draft: { text, images, write }, onSubmit }: MessageFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const completion = useCompletion({ sessionId, field, write });
  const isEmpty = text === '';
  const look = useEffectEvent(completion.look);
  // What was sent asks for nothing any more.
  useEffect(() => {
    if (isEmpty) look();
  }, [isEmpty]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing || completion.onKey(event)) return;
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    onSubmit();
  };
  /** Texts are left to the field. */
  const takeFiles = (event: { preventDefault: () => void }, files: FileList) => {
    if (files.length === 0) return;
    event.preventDefault();
    void images.add([...files]);
  };
  return (
    <>
      <CompletionList {...completion} />
      <textarea
        ref={field}
        aria-label={t('session.message')}
        aria-autocomplete="list"
        aria-controls={completion.asked && COMPLETION_ID}
        aria-activedescendant={completion.choices.length > 0 ? choiceId(completion.active) : undefined}
        placeholder={t('session.message')}
        value={text}
        onChange={({ target }) => {
          write(target.value);
          completion.look();
        }}
        onSelect={completion.look}
        onKeyDown={onKeyDown}
        onPaste={(event) => takeFiles(event, event.clipboardData.files)}
        onDrop={(event) => takeFiles(event, event.dataTransfer.files)}
        rows={2}
        dir="auto"
      />
    </>
  );
}

const MODES = ['queue', 'steer'] as const;

function ModeChoice({ mode, onChoose }: { mode: Mode; onChoose: (mode: Mode) => void }) {
  return (
    <fieldset className="segments" aria-label={t('composer.when')}>
      {MODES.map((one) => (
        <label key={one}>
          <input type="radio" name="mode" checked={mode === one} onChange={() => onChoose(one)} />
          <span>{t(`composer.${one}`)}</span>
        </label>
      ))}
    </fieldset>
  );
}

function StopButton({ sessionId }: { sessionId: string }) {
  const { client } = useConsole().link;
  const { isBusy, refusal, run } = useAction();
  return (
    <>
      <Refusal reason={refusal} />
      <button type="button" disabled={isBusy} onClick={() => void run(() => client.interrupt({ sessionId }))}>
        {t('session.stop')}
      </button>
    </>
  );
}
