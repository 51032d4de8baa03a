import { type FormEvent, useState } from 'react';
import { showPrompt } from '../../client/rest/index.js';
import { NO_QUEUE, type QueuedPrompt } from '../store/queue.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { keepText } from './kept-text.js';
import { Refusal } from './refusal.js';
import { type Action, useAction } from './use-action.js';

/** What waits for the running turn: seen, edited, moved, cancelled, and continued where it is held. */
export function QueuePanel({ sessionId }: { sessionId: string }) {
  const { link } = useConsole();
  const { prompts, depth, isHeld } = useStore((state) => state.queues.get(sessionId)) ?? NO_QUEUE;
  const action = useAction();
  const [edited, setEdited] = useState<Editing>();
  if (depth === 0) return undefined;
  const { request } = link.client;
  const edit = (prompt: QueuedPrompt) =>
    action.run(async () => {
      const whole = await showPrompt(link.rest, { params: { id: sessionId, promptId: prompt.promptId } });
      if (whole.truncated) throw new Error(t('queue.tooLong'));
      setEdited({ promptId: prompt.promptId, text: whole.prompt });
    });
  return (
    <section className="queue" aria-label={t('queue.title', { count: depth })} aria-busy={action.isBusy}>
      <QueueHead sessionId={sessionId} depth={depth} isHeld={isHeld} action={action} />
      <ol>
        {prompts.map((prompt, index) => (
          <li key={prompt.promptId}>
            {edited?.promptId === prompt.promptId ? (
              <EditForm editing={edited} action={action} onEnd={() => setEdited(undefined)} />
            ) : (
              <QueueRow
                prompt={prompt}
                isFirst={index === 0}
                onEdit={() => void edit(prompt)}
                onUp={() => {
                  const before = prompts[index - 1]?.promptId;
                  void action.run(() =>
                    request('movePrompt', { promptId: prompt.promptId, ...(before && { before }) }),
                  );
                }}
                onCancel={() => void action.run(() => link.client.cancelPrompt({ promptId: prompt.promptId }))}
              />
            )}
          </li>
        ))}
      </ol>
      {depth > prompts.length && <p className="quiet">{t('queue.more', { count: depth - prompts.length })}</p>}
      <Refusal reason={action.refusal} />
    </section>
  );
}

interface QueueHeadProps {
  sessionId: string;
  depth: number;
  isHeld: boolean;
  action: Action;
}

function QueueHead({ sessionId, depth, isHeld, action: { isBusy, run } }: QueueHeadProps) {
  const { request } = useConsole().link.client;
  return (
    <div className="bar">
      <span role="status">{isHeld ? t('queue.held') : t('queue.title', { count: depth })}</span>
      {isHeld && (
        <button type="button" disabled={isBusy} onClick={() => void run(() => request('continueQueue', { sessionId }))}>
          {t('queue.continue')}
        </button>
      )}
      {(isHeld || depth > 1) && (
        <button type="button" disabled={isBusy} onClick={() => void run(() => request('clearQueue', { sessionId }))}>
          {t('queue.clear')}
        </button>
      )}
    </div>
  );
}

interface QueueRowProps {
  prompt: QueuedPrompt;
  isFirst: boolean;
  onEdit: () => void;
  onUp: () => void;
  onCancel: () => void;
}

/** Characters of a prompt in the names of its buttons. */
const NAMED = 40;

function QueueRow({ prompt: { text, mode }, isFirst, onEdit, onUp, onCancel }: QueueRowProps) {
  const named = { text: text.slice(0, NAMED) };
  return (
    <div className="bar">
      <span className="queued" dir="auto">
        {mode === 'steer' && <span className="quiet">{t('queue.steers')} </span>}
        {text}
      </span>
      <button type="button" className="icon" aria-label={t('queue.up', named)} disabled={isFirst} onClick={onUp}>
        ↑
      </button>
      <button type="button" className="icon" aria-label={t('queue.edit', named)} onClick={onEdit}>
        ✎
      </button>
      <button type="button" className="icon" aria-label={t('queue.cancel', named)} onClick={onCancel}>
        ✕
      </button>
    </div>
  );
}

interface Editing {
  promptId: string;
  text: string;
}

interface EditFormProps {
  editing: Editing;
  action: Action;
  onEnd: () => void;
}

function EditForm({ editing, action, onEnd }: EditFormProps) {
  const { request } = useConsole().link.client;
  const { promptId } = editing;
  const key = `edit-${promptId}`;
  const [text, setText] = useState(() => localStorage.getItem(key) ?? editing.text);
  const write = (next: string) => {
    setText(next);
    keepText(key, next);
  };
  const end = () => {
    keepText(key, '');
    onEnd();
  };
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    if (await action.run(() => request('editPrompt', { promptId, prompt: text }))) end();
  };
  return (
    <form onSubmit={(event) => void onSubmit(event)}>
      <textarea
        aria-label={t('queue.editing')}
        value={text}
        onChange={({ target }) => write(target.value)}
        rows={3}
        dir="auto"
      />
      <div className="row">
        <button type="submit" className="primary" disabled={action.isBusy || text.trim() === ''}>
          {t('queue.save')}
        </button>
        <button type="button" onClick={end}>
          {t('queue.leave')}
        </button>
      </div>
    </form>
  );
}
