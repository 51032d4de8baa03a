import '../places.css';
import type { ReactNode } from 'react';
import { Link as Anchor } from 'wouter';
import { t } from '../strings/t.js';

/** A view beside the sessions: its title and the way back. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="place">
      <header>
        <Anchor href="/" className="back" aria-label={t('session.back')}>
          ‹
        </Anchor>
        <h1>{title}</h1>
      </header>
      {children}
    </main>
  );
}
