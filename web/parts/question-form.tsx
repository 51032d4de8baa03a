import type { FormEvent } from 'react';
import type { PermissionRequest } from '../store/console-state.js';
import { t } from '../strings/t.js';
import { useKeptAnswer } from './kept-answers.js';

type Question = NonNullable<PermissionRequest['questions']>[number];
type Answers = Record<string, string | string[]>;

export interface QuestionFormProps {
  request: PermissionRequest;
  isBusy: boolean;
  onAnswer: (response: string, answers: Answers) => void;
}

/** All questions of a request, each answered by its labels or by free text. */
export function QuestionForm({ request, isBusy, onAnswer }: QuestionFormProps) {
  const questions = request.questions ?? [];
  const [answers, setAnswers] = useKeptAnswer<Answers>(request.permissionId, 'answers', () => ({}));
  const isWhole = questions.every(({ question }) => (answers[question]?.length ?? 0) > 0);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (isWhole) onAnswer('allow', answers);
  };
  return (
    <form onSubmit={onSubmit}>
      {questions.map((question) => (
        <QuestionField
          key={question.question}
          question={question}
          answer={answers[question.question] ?? ''}
          onAnswer={(answer) => setAnswers({ ...answers, [question.question]: answer })}
        />
      ))}
      <div className="row">
        <button type="submit" className="primary" disabled={isBusy || !isWhole}>
          {t('permission.answer')}
        </button>
        <button type="button" disabled={isBusy} onClick={() => onAnswer('deny', {})}>
          {t('permission.deny')}
        </button>
      </div>
    </form>
  );
}

interface QuestionFieldProps {
  question: Question;
  answer: string | string[];
  onAnswer: (answer: string | string[]) => void;
}

function QuestionField({ question: { question, multiSelect, options }, answer, onAnswer }: QuestionFieldProps) {
  const chosen = Array.isArray(answer) ? answer : [answer];
  const isLabel = options.some(({ label }) => chosen.includes(label));
  const choose = (label: string) => {
    if (!multiSelect) return onAnswer(label);
    const labels = chosen.filter((one) => options.some((option) => option.label === one));
    onAnswer(labels.includes(label) ? labels.filter((one) => one !== label) : [...labels, label]);
  };
  return (
    <fieldset>
      <legend dir="auto">{question}</legend>
      {options.map(({ label, description, preview }) => (
        <label key={label} className="choice">
          <input
            type={multiSelect ? 'checkbox' : 'radio'}
            checked={chosen.includes(label)}
            onChange={() => choose(label)}
          />
          <span>
            <strong>{label}</strong> <span className="quiet">{description}</span>
            {preview !== undefined && <pre>{preview}</pre>}
          </span>
        </label>
      ))}
      <input
        aria-label={question}
        value={isLabel ? '' : chosen.join(', ')}
        onChange={({ target }) => onAnswer(target.value)}
        dir="auto"
      />
    </fieldset>
  );
}
