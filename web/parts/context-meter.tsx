import type { Details } from '../store/session-details.js';
import { t } from '../strings/t.js';
import { tokens } from './format.js';

/** How full the context is, and with what. */
export function ContextMeter({ context }: { context: Details['context'] | undefined }) {
  if (context === undefined || context.kind === 'loading') return undefined;
  if (context.kind === 'failed') return <p className="quiet">{t('context.unknown', { reason: context.because })}</p>;
  const { totalTokens, maxTokens, categories } = context.value;
  const used = categories.filter(({ kind, tokens: count }) => count > 0 && kind !== 'free' && kind !== 'deferred');
  return (
    <section className="context" aria-label={t('context.title')}>
      <p>{t('context.of', { used: tokens(totalTokens), all: tokens(maxTokens) })}</p>
      <meter min={0} max={maxTokens} high={maxTokens * 0.8} value={totalTokens} aria-label={t('context.title')} />
      <ul>
        {used.map(({ id, name, tokens: count }) => (
          <li key={id}>
            {name} <span className="quiet">{tokens(count)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
