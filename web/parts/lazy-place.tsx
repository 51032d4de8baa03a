import { Component, type ReactNode, Suspense } from 'react';
import { wordsOf } from '../link/link.js';
import { t } from '../strings/t.js';

interface Props {
  children: ReactNode;
  /** Until its script is there. */
  fallback?: ReactNode;
}

/** A part whose script is loaded when it is needed. One that cannot be loaded says so, and leaves the rest as it is. */
export class Lazily extends Component<Props, { because?: string }> {
  override state: { because?: string } = {};

  static getDerivedStateFromError(error: unknown): { because: string } {
    return { because: wordsOf(error) };
  }

  override render(): ReactNode {
    const { because } = this.state;
    const { children, fallback } = this.props;
    if (because === undefined) return <Suspense fallback={fallback}>{children}</Suspense>;
    return (
      <div role="alert">
        <p className="refusal">{t('load.viewFailed', { reason: because })}</p>
        <button type="button" onClick={() => location.reload()}>
          {t('load.reload')}
        </button>
      </div>
    );
  }
}

/** A view whose script is loaded when it is opened. */
export const LazyPlace = ({ children }: Pick<Props, 'children'>) => <Lazily fallback={<Coming />}>{children}</Lazily>;

function Coming() {
  return (
    <main>
      <p className="quiet" role="status">
        {t('load.loading')}
      </p>
    </main>
  );
}
