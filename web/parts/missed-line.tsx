import type { Missed } from '../store/missed.js';
import { locale, t } from '../strings/t.js';

export interface MissedLineProps {
  missed: Missed;
  /** To the first of it. */
  onShow: () => void;
  onDismiss: () => void;
}

const KINDS = ['answers', 'messages', 'questions', 'permissions'] as const;

/** In a line above the conversation, which it moves by nothing. */
export function MissedLine({ missed, onShow, onDismiss }: MissedLineProps) {
  const parts = KINDS.filter((kind) => missed[kind] > 0).map((kind) => t(`missed.${kind}`, { count: missed[kind] }));
  const what = new Intl.ListFormat(locale(), { type: 'conjunction' }).format(parts);
  const words = t(missed.isMore ? 'missed.lineMore' : 'missed.line', { what });
  return (
    <div className="missed">
      <span role="status">
        {missed.first === undefined ? (
          <span className="words">{words}</span>
        ) : (
          <button type="button" onClick={onShow}>
            {words}
          </button>
        )}
      </span>
      <button type="button" className="icon" aria-label={t('missed.dismiss')} onClick={onDismiss}>
        ✕
      </button>
    </div>
  );
}
