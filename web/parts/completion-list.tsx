import { t } from '../strings/t.js';
import type { Completion } from './use-completion.js';

export const COMPLETION_ID = 'completion';
export const choiceId = (index: number): string => `${COMPLETION_ID}-${index}`;

/** What can be chosen by the keys of the message, or by a tap. */
export function CompletionList({ asked, choices, refusal, active, take }: Completion) {
  if (!asked || (choices.length === 0 && refusal === undefined)) return undefined;
  const mark = asked.kind === 'files' ? '@' : '/';
  return (
    <section className="completion" id={COMPLETION_ID} aria-label={t(`composer.${asked.kind}`)}>
      {refusal !== undefined && <p className="quiet">{refusal}</p>}
      {choices.map((choice, index) => (
        <button
          key={choice.value}
          id={choiceId(index)}
          type="button"
          tabIndex={-1}
          aria-current={index === active}
          onClick={() => take(choice)}
        >
          <span>
            {mark}
            {choice.value}
          </span>{' '}
          <span className="quiet">{choice.description}</span>
        </button>
      ))}
    </section>
  );
}
