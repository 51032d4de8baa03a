import { lazy, type RefObject, useRef, useState } from 'react';
import type { FormValue } from '../../protocol/elicitation-form.js';
import type { PermissionRequest } from '../store/console-state.js';
import { canAllowAtOnce } from '../store/safe-answer.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';
import { Lazily } from './lazy-place.js';
import { QuestionForm } from './question-form.js';
import { Refusal } from './refusal.js';
import { ToolInput } from './tool-input.js';
import { useAction } from './use-action.js';
import { useRequestKeys } from './use-request-keys.js';
import { type Swiped, useSwipe } from './use-swipe.js';

const PlanReview = lazy(async () => ({ default: (await import('./plan-review.js')).PlanReview }));
const DialogChoice = lazy(async () => ({ default: (await import('./dialog-choice.js')).DialogChoice }));
const Elicitation = lazy(async () => ({ default: (await import('./elicitation.js')).Elicitation }));

interface Answer {
  remember?: boolean;
  answers?: Record<string, FormValue>;
  /** With a denial: what Claude is told. */
  message?: string;
}

export interface RequestProps {
  request: PermissionRequest;
  isBusy: boolean;
  onAnswer: (response: string, more?: Answer) => void;
  /** What goes along when the request is denied by a key or a swipe. */
  denial: RefObject<Answer>;
}

export interface PermissionCardProps {
  request: PermissionRequest;
  /** The name of the session's directory, where that is not seen otherwise. */
  of?: string | undefined;
}

/** Everything that is needed to decide, and the answers that are safe. */
export function PermissionCard({ request, of }: PermissionCardProps) {
  const { link } = useConsole();
  const { isBusy, refusal, run } = useAction();
  const { sessionId, permissionId, title, prompt, reason, description } = request;
  // Below the title of the session, or of the inbox.
  const Heading = of === undefined ? 'h2' : 'h3';
  const answer = (response: string, more: Answer = {}) =>
    void run(() => link.answer(request, { sessionId, permissionId, response, remember: false, ...more }));
  const denial = useRef<Answer>({});
  // A key or a swipe takes along what is written on the card.
  const answerAtOnce = (response: Swiped) => answer(response, response === 'deny' ? denial.current : {});
  const isInInbox = of !== undefined;
  const keys = useRequestKeys({ request, isBusy, isInInbox, onAnswer: answerAtOnce });
  const swipe = useSwipe({ isOn: isInInbox, canAllow: canAllowAtOnce(request), onAnswer: answerAtOnce });
  return (
    <article className="card" aria-label={title ?? prompt} aria-busy={isBusy} {...keys} {...swipe.handlers}>
      <Whose request={request} of={of} />
      <Heading dir="auto">{title ?? prompt}</Heading>
      {description !== undefined && <p dir="auto">{description}</p>}
      {reason !== undefined && <p className="quiet">{reason}</p>}
      {swipe.pending && <Undo swiped={swipe.pending} onUndo={swipe.undo} />}
      <Lazily>
        <Asked request={request} isBusy={isBusy} onAnswer={answer} denial={denial} />
      </Lazily>
      <Refusal reason={refusal === undefined ? undefined : t('permission.failed', { reason: refusal })} />
    </article>
  );
}

/** Directories can have the same name, and a subagent can ask for what its session would not. */
function Whose({ request: { sessionId, agentId }, of }: PermissionCardProps) {
  const directory = useStore((state) => state.sessions.get(sessionId)?.view.workingDirectory);
  return (
    <p className="quiet whose">
      {of !== undefined && <strong>{of}</strong>} <span dir="ltr">{directory}</span>{' '}
      {agentId !== undefined && <span className="tag">{t('permission.subagent')}</span>}
    </p>
  );
}

/** What a swipe is about to do. */
function Undo({ swiped, onUndo }: { swiped: Swiped; onUndo: () => void }) {
  return (
    <div className="row" role="status">
      <strong>{t(`swipe.${swiped}`)}</strong>
      <button type="button" onClick={onUndo}>
        {t('swipe.undo')}
      </button>
    </div>
  );
}

/** By its kind. */
function Asked(props: RequestProps) {
  const { request, isBusy, onAnswer } = props;
  switch (request.kind) {
    case 'question':
      return (
        <QuestionForm
          request={request}
          isBusy={isBusy}
          onAnswer={(response, answers) => onAnswer(response, { answers })}
        />
      );
    case 'plan':
      return <PlanReview {...props} />;
    case 'dialog':
      return <DialogChoice {...props} />;
    case 'elicitation':
      return <Elicitation {...props} />;
    case 'tool':
      return (
        <>
          <ToolInput name={request.toolName} input={request.toolInput} />
          <Decision {...props} />
        </>
      );
  }
}

function Decision({ request, isBusy, onAnswer }: RequestProps) {
  const [typed, setTyped] = useState('');
  const { options, remember, canRemember, defaultToNo } = request;
  const isHeld = isBusy || (defaultToNo === true && typed.trim().toLowerCase() !== 'yes');
  const always = options.includes('always') && canRemember !== false;
  return (
    <>
      {defaultToNo && (
        <label>
          {t('permission.sure')}
          <input value={typed} onChange={({ target }) => setTyped(target.value)} autoComplete="off" />
        </label>
      )}
      {always && remember && <p className="quiet">{t('permission.remembers', { text: remember.text })}</p>}
      <div className="row">
        <button type="button" className="primary" disabled={isHeld} onClick={() => onAnswer('y')}>
          {t('permission.allow')}
        </button>
        {always && (
          <button type="button" disabled={isHeld} onClick={() => onAnswer('y', { remember: true })}>
            {t('permission.always')}
          </button>
        )}
        <button type="button" disabled={isBusy} onClick={() => onAnswer('n')}>
          {t('permission.deny')}
        </button>
      </div>
    </>
  );
}
