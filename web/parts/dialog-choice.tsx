import * as z from 'zod';
import { t } from '../strings/t.js';
import type { RequestProps } from './permission-card.js';

const dialogSchema = z.object({
  message: z.string().optional(),
  choices: z.array(z.object({ value: z.string(), label: z.string() })).catch([]),
});

/** A question of the CLI itself, by its choices. */
export function DialogChoice({ request: { toolInput, options }, isBusy, onAnswer }: RequestProps) {
  const { message, choices } = dialogSchema.safeParse(toolInput).data ?? { message: undefined, choices: [] };
  return (
    <>
      {message !== undefined && <p dir="auto">{message}</p>}
      <div className="row">
        {choices
          .filter(({ value }) => options.includes(value))
          .map(({ value, label }) => (
            <button key={value} type="button" disabled={isBusy} onClick={() => onAnswer(value)}>
              {label}
            </button>
          ))}
        <button type="button" disabled={isBusy} onClick={() => onAnswer('deny')}>
          {t('permission.deny')}
        </button>
      </div>
    </>
  );
}
